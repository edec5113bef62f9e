"""`python -m inference …`: inference without the bot."""

import logging
import sys

from inference.cli import parse
from inference.errors import InferenceError, RequestError


def main(arguments: list[str] | None = None) -> int:
    """Exit status: 0 done, 1 failed, 2 wrong usage; one sentence on stderr says why."""
    parsed = parse(arguments)
    logging.getLogger("inference").setLevel(logging.ERROR)  # the sentence is enough
    try:
        if parsed.command == "generate":
            from inference.cli_generate import generate

            generate(parsed)
        else:
            from inference.cli_batch import batch

            failed = batch(parsed)
            if failed:
                return _say(f"{failed} of the jobs failed; see {parsed.out / 'results.jsonl'}.", 1)
    except RequestError as error:
        return _say(error, 2)
    except (InferenceError, OSError) as error:
        return _say(error, 1)
    except KeyboardInterrupt:
        return 130
    return 0


def _say(error: object, status: int) -> int:
    print(f"python -m inference: {error}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
