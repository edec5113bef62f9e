"""A guild's policy is kept; every other guild has the defaults."""

from bot.model import GuildPolicy
from tests.joblog import JobLog


async def test_the_defaults_until_something_is_stored(log: JobLog) -> None:
    assert await log.policies.get(5) == GuildPolicy(guild_id=5)
    policy = GuildPolicy(
        guild_id=2**62,
        member_budget=1.5,
        guild_budget=9.25,
        window_minutes=7,
        member_queue=2,
        guild_queue=3,
        channels=(2**61, 4),
        min_strength=0.1,
        max_strength=0.9,
        default_strength=0.4,
        max_steps=30,
        default_steps=10,
        max_count=3,
        default_count=2,
        open_buttons=True,
    )
    await log.policies.put(policy)
    assert await log.policies.get(policy.guild_id) == policy
    await log.policies.put(GuildPolicy(guild_id=policy.guild_id))
    assert await log.policies.get(policy.guild_id) == GuildPolicy(guild_id=policy.guild_id)
    assert await log.policies.get(5) == GuildPolicy(guild_id=5)
