"""Words for pictures: many ways to say the same, and words that mean nothing to the models.

Members will use words that the models never saw. So captions carry filler, unknown subjects stand
for photographs, and the vocabulary reaches down to single bytes: an unknown word does no harm.
"""

import random

from inference.training.data import Facts

STYLE_WORDS: dict[str, tuple[str, ...]] = {
    "photo": (
        "photo",
        "photograph",
        "picture",
        "realistic photo",
        "colour photo",
        "color photograph",
    ),
    "pencil": (
        "pencil sketch",
        "pencil drawing",
        "sketch",
        "graphite drawing",
        "hand-drawn sketch",
        "pencil",
    ),
    "ink": (
        "ink drawing",
        "ink sketch",
        "pen and ink drawing",
        "black ink illustration",
        "ink",
        "woodcut",
    ),
    "watercolour": (
        "watercolour painting",
        "watercolor painting",
        "watercolour",
        "watercolor",
        "aquarelle",
    ),
    "oil": (
        "oil painting",
        "oil on canvas",
        "impressionist painting",
        "thick oil painting",
        "painting",
    ),
    "neon": (
        "neon sign",
        "neon lights",
        "glowing neon",
        "neon",
        "cyberpunk neon art",
        "neon picture",
    ),
    "pixel": ("pixel art", "8-bit pixel art", "pixelated game art", "16-bit game", "pixel"),
    "grayscale": (
        "black and white photo",
        "grayscale photo",
        "greyscale picture",
        "monochrome photograph",
    ),
    "blueprint": ("blueprint", "blueprint drawing", "technical drawing", "architectural blueprint"),
    "comic": (
        "comic",
        "cartoon",
        "comic book panel",
        "comic book art",
        "cel shaded cartoon",
        "anime drawing",
    ),
    "sepia": (
        "sepia photo",
        "old sepia photograph",
        "vintage photo",
        "antique photograph",
        "sepia",
    ),
    "glass": (
        "stained glass window",
        "stained glass",
        "mosaic",
        "leaded glass window",
        "glass mosaic",
    ),
}

SUBJECT_WORDS: dict[str, tuple[str, ...]] = {
    "house": ("house", "home", "cottage"),
    "boat": ("boat", "sailing boat", "sailboat", "ship"),
    "cabin": ("cabin", "mountain cabin", "hut", "log cabin"),
    "cat": ("cat", "kitten", "kitty"),
    "cup": ("cup", "coffee cup", "cup of coffee", "mug", "cup of tea"),
    "person": ("person", "portrait", "face", "woman", "man", "portrait of a person"),
    "car": ("car", "automobile"),
    "balloon": ("hot air balloon", "balloon"),
    "castle": ("castle", "fortress"),
    "flower": ("flower", "blossom"),
    "tower": ("tower", "stone tower"),
    "church": ("church", "chapel"),
    "mushroom": ("mushroom", "toadstool"),
}

TIME_WORDS: dict[str, tuple[str, ...]] = {
    "day": ("by day", "in daylight", "in the afternoon", ""),
    "dawn": ("at dawn", "in the morning", "at sunrise"),
    "sunset": ("at sunset", "in the evening", "at dusk", "golden hour"),
    "night": ("at night", "in the moonlight", "under the stars", "by night"),
}
SEASON_WORDS: dict[str, tuple[str, ...]] = {
    "summer": ("in summer", ""),
    "spring": ("in spring",),
    "autumn": ("in autumn", "in fall"),
    "winter": ("in winter", "in the snow"),
}
WEATHER_WORDS: dict[str, tuple[str, ...]] = {
    "clear": ("under a clear sky", ""),
    "cloudy": ("under a cloudy sky", "cloudy"),
    "fog": ("in the fog", "misty"),
    "rain": ("in the rain", "rainy"),
    "snow": ("while it snows", "snowing"),
}
WATER = ("by a lake", "by the water", "on the shore", "near a river")
LAND = ("in the hills", "in a meadow", "in the countryside", "with mountains")

OTHER_SUBJECTS = (
    "astronaut",
    "dog",
    "horse",
    "dragon",
    "city",
    "street",
    "forest",
    "robot",
    "child",
    "woman",
    "man",
    "girl",
    "boy",
    "people",
    "friend",
    "table",
    "garden",
    "beach",
    "mountain",
    "river",
    "sea",
    "bridge",
    "fish",
    "wolf",
    "fox",
    "owl",
    "butterfly",
    "guitar",
    "piano",
    "book",
    "lamp",
    "chair",
    "phone",
    "computer",
    "cake",
    "apple",
    "fruit",
    "bread",
    "pizza",
    "tea",
    "bicycle",
    "train",
    "plane",
    "spaceship",
    "planet",
    "knight",
    "wizard",
    "king",
    "queen",
    "princess",
    "warrior",
    "skull",
    "statue",
    "temple",
    "market",
    "shop",
    "window",
    "door",
    "room",
    "kitchen",
    "bed",
    "shoe",
    "hat",
    "dress",
    "sword",
    "crown",
    "clock",
    "camera",
    "selfie",
    "family",
    "wedding",
    "baby",
    "rabbit",
    "bear",
    "lion",
    "tiger",
    "elephant",
    "monkey",
    "snake",
    "frog",
    "turtle",
    "dinosaur",
    "monster",
    "ghost",
    "angel",
    "desert",
    "island",
    "waterfall",
    "volcano",
    "cave",
    "field",
    "road",
    "station",
    "library",
    "museum",
    "coffee",
    "breakfast",
    "landscape",
    "helmet",
)
FILLER = (
    "beautiful",
    "detailed",
    "highly",
    "detailed",
    "masterpiece",
    "best",
    "quality",
    "4k",
    "hd",
    "soft",
    "light",
    "dramatic",
    "lovely",
    "pretty",
    "fine",
    "bright",
    "dark",
    "moody",
    "warm",
    "cold",
    "fantasy",
    "magical",
    "vivid",
    "colourful",
    "colorful",
    "delicate",
    "bold",
    "simple",
    "rough",
    "elegant",
    "old",
    "trending",
    "artistic",
    "cinematic",
    "high",
    "resolution",
    "sharp",
    "please",
    "nice",
    "award",
    "winning",
)


def _some(rng: random.Random, words: tuple[str, ...]) -> str:
    return rng.choice(words)


def _article(noun: str) -> str:
    return ("an " if noun[:1] in "aeiou" else "a ") + noun


def _invented(rng: random.Random) -> str:
    parts = [
        rng.choice("bcdfghklmnprstvwz") + rng.choice(("a", "e", "i", "o", "u", "ar", "en", "il"))
        for _ in range(3)
    ]
    return "".join(parts[: rng.randint(2, 3)])


def content(facts: Facts, rng: random.Random) -> str:
    """What is to be seen, without the style; may be empty."""
    if facts.kind == "world":
        said = _article(_some(rng, SUBJECT_WORDS.get(facts.subject, (facts.subject,))))
        where = _some(rng, WATER) if facts.water else _some(rng, LAND)
        details = [where] if rng.random() < 0.35 else []
    else:
        roll = rng.random()
        known = facts.subject if facts.kind == "photograph" else ""
        if known and roll < 0.4:
            said = known
        elif roll < 0.75:
            said = _article(_some(rng, OTHER_SUBJECTS) if rng.random() < 0.8 else _invented(rng))
        else:
            said = rng.choice(("", "", "a scene", "this", "a photo"))
        details = []
    spoken = []
    if facts.time and (
        facts.kind != "world" or rng.random() < (0.9 if facts.time != "day" else 0.4)
    ):
        spoken.append(_some(rng, TIME_WORDS[facts.time]))
    if facts.season and (
        facts.kind != "world" or rng.random() < (0.6 if facts.season == "winter" else 0.35)
    ):
        spoken.append(_some(rng, SEASON_WORDS[facts.season]))
    if facts.weather and (
        facts.kind != "world" or rng.random() < (0.3 if facts.weather == "clear" else 0.7)
    ):
        spoken.append(_some(rng, WEATHER_WORDS[facts.weather]))
    rng.shuffle(spoken)
    glue = ", " if rng.random() < 0.3 else " "
    return glue.join(w for w in (said, *details, *spoken) if w)


def caption(facts: Facts, rng: random.Random, name_style: bool = True) -> str:
    """One of many captions for `facts`; an untold style (`name_style` false) is only ever photo."""
    noun = _some(rng, STYLE_WORDS[facts.style])
    what = content(facts, rng)
    if facts.style == "photo" and not name_style and what:
        text = what
    elif not what or rng.random() < 0.12:
        text = rng.choice(
            (
                noun,
                _article(noun),
                f"{noun} style",
                f"in the style of {_article(noun)}",
                f"turn this into {_article(noun)}",
                f"make it {_article(noun)}",
            )
        )
    else:
        text = rng.choice(
            (
                f"{_article(noun)} of {what}",
                f"{noun} of {what}",
                f"{what}, {noun}",
                f"{noun}, {what}",
                f"{what} as {_article(noun)}",
                f"{what}, {noun} style",
                f"{what} in {noun} style",
            )
        )
    if rng.random() < 0.2:
        words = [
            _some(rng, FILLER) if rng.random() < 0.8 else _invented(rng)
            for _ in range(rng.randint(1, 4))
        ]
        text = f"{text}, {', '.join(words)}" if rng.random() < 0.7 else f"{' '.join(words)} {text}"
    return text.capitalize() if rng.random() < 0.15 else text
