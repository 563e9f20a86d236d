"""How the slots of E2E and ViGGO are said in English: our own patterns, over `plain` text."""

from __future__ import annotations

from mtft.structured.slot_error import GENERIC, Rules, SlotRule

_NAME = SlotRule(repeatable=True)
_MONEY = r"(?:pounds? |gbp |euros? |eur )?"
_RATED = r"(?:customers? |user |consumer )?(?:rat\w+|reviews?|satisfaction|scores?)"
# What a price is called in words, whether the meaning representation has it so or as a figure.
_CHEAP = r"cheap(?:ly|er)?|inexpensive(?:ly)?|low(?:er)? (?:cost|pric\w+)|affordabl[ey]|budget"
_MODERATE = r"moderate(?:ly)? (?:\w+ )?pric\w+|mid(?:dle)? (?:range|pric\w+)|average pric\w+|reasonabl[ey]"
_DEAR = r"high(?:er)?(?: end)? pric\w+|expensive|pricey|upscale|costly|pric\w+ (?:range )?(?:is |are )?high"


def _stars(digit: int, word: str) -> str:
    number = f"(?:{digit}|{word})"
    return (
        rf"{number} (?:stars? )?(?:out )?(?:of )?(?:a possible )?(?:5|five)|{number} stars?"
        rf"|{number} (?:customer )?rat\w+"
    )


E2E: Rules = {
    "name": _NAME,
    "near": SlotRule(repeatable=True),
    "eatType": SlotRule(
        {
            "restaurant": r"restaurants?",
            "pub": r"pubs?|bars?",
            "coffee shop": r"coffee (?:shops?|houses?|place)|cafes?",
        },
        repeatable=True,
    ),
    "food": SlotRule(
        {
            "chinese": r"chinese",
            "english": r"english|british",
            "indian": r"indian",
            "french": r"french",
            "italian": r"italian|pasta",
            "japanese": r"japanese|sushi",
            "fast food": r"fast foods?",
        },
        repeatable=True,
    ),
    "priceRange": SlotRule(
        {
            "cheap": _CHEAP,
            "moderate": _MODERATE,
            "high": _DEAR,
            "less than 20": rf"(?:less|cheaper|lower) (?:than|then) {_MONEY}20|(?:under|below|up to|within) {_MONEY}20",
            "20 25": rf"{_MONEY}20(?: pounds?)? (?:to |and |or )?{_MONEY}25",
            "more than 30": rf"(?:more|higher|greater) (?:than|then) {_MONEY}30"
            rf"|(?:over|above|exceed\w*|starts? at|from) {_MONEY}30|30 (?:plus|or more|and (?:up|more|over))",
        },
        loosely={
            "cheap": r"low|(?:less|cheaper|lower) (?:than|then) \w+|under \w+",
            "less than 20": rf"{_CHEAP}|low",
            "moderate": r"average|middle|mid|fair\w*",
            "20 25": rf"{_MODERATE}|average|middle|mid",
            "high": r"high\w*|more than \w+|over \w+",
            "more than 30": rf"{_DEAR}|high\w*",
        },
    ),
    "customer rating": SlotRule(
        {
            "low": rf"low(?:ly|er|est)?(?: \w+)? {_RATED}|{_RATED}(?: \w+)? (?:low|poor|bad)"
            rf"|(?:poor|bad)(?:ly)?(?: \w+)? {_RATED}",
            "average": rf"average(?:ly)? (?:\w+ )?{_RATED}|{_RATED}(?: (?:is|are|of|an))* average",
            "high": rf"high(?:ly|er)? (?:\w+ )?{_RATED}|{_RATED}(?: \w+)? high"
            r"|highly (?:recommended|regarded)|well (?:rated|liked)",
            "1 out of 5": _stars(1, "one"),
            "3 out of 5": _stars(3, "three"),
            "5 out of 5": _stars(5, "five"),
        },
        loosely={
            "low": rf"low\w*|poor\w*|bad\w*|{_stars(1, 'one')}",
            "1 out of 5": r"low\w*|poor\w*|bad\w*",
            "average": rf"average\w*|mediocre|decent|ok|okay|moderate\w*|{_stars(3, 'three')}",
            "3 out of 5": r"average\w*|mediocre|decent|good|ok|okay|moderate\w*",
            "high": rf"high\w*|excellent\w*|great|good|well|best|top|{_stars(5, 'five')}",
            "5 out of 5": r"high\w*|excellent\w*|great|good|well|best|top|perfect",
        },
    ),
    "area": SlotRule(
        {
            "city centre": r"(?:city|town) ?cent(?:er|re)|cent(?:er|re) of (?:the )?(?:city|town)|downtown|inner city"
            r"|(?:city|town) central|in (?:the )?(?:city|town)",
            "riverside": r"river ?side|rivers?|waterfront",
        }
    ),
    "familyFriendly": SlotRule(
        topic=r"famil(?:y|ies)(?: friendly| oriented)?|kids?(?: friendly)?"
        r"|child(?:ren|rens|s)?(?: friendly)?",
        opposite=r"adults?(?: only| oriented)?|(?:family|kids?|child(?:ren)?) unfriendly",
    ),
}

VIGGO: Rules = {
    "name": _NAME,
    "specifier": SlotRule(repeatable=True),
    "developer": SlotRule(repeatable=True),
    "genres": SlotRule(
        {
            "action adventure": r"action adventures?|adventure action|action(?: and| \w+)? adventures?",
            "action": r"actions?|action packed",
            "adventure": r"adventur\w+",
            "text adventure": r"text (?:based )?adventures?|text",
            "shooter": r"shoot\w*|fps",
            "role playing": r"role play\w*|roleplay\w*|rpgs?|jrpgs?",
            "mmorpg": r"mmorpgs?|mmos?|massively multiplayer(?: \w+){0,4}",
            "simulation": r"simulat\w+|sims?",
            "driving racing": r"driving(?: and| or)? rac\w+|driv\w+|rac(?:e|es|er|ers|ing)",
            "puzzle": r"puzzl\w+",
            "sport": r"sport\w*",
            "indie": r"indies?|independent(?:ly)?",
            "strategy": r"strateg\w+",
            "real time strategy": r"real time strateg\w+|rts|real time",
            "turn based strategy": r"turn based strateg\w+|tbs|turn based",
            "platformer": r"platform(?:er|ers|ing)",
            "tactical": r"tactic\w*",
            "point and click": r"point (?:and|n) clicks?\w*",
            "hack and slash": r"hack (?:and|n) slash\w*",
            "vehicular combat": r"(?:vehicular|vehicle|car) combat|vehicular",
            "fighting": r"fight\w*",
            "music": r"music\w*|rhythm",
            "trivia board game": r"trivia(?: and| or)?(?: board)?(?: games?)?|board games?",
            "arcade": r"arcade\w*",
            "pinball": r"pinball",
        },
        repeatable=True,
    ),
    "platforms": SlotRule(
        {
            "pc": r"pcs?|computers?|windows",
            "playstation": r"play ?stations?|ps\d?",
            "xbox": r"xbox\w*",
            "nintendo": r"nintendo",
            "nintendo switch": r"(?:nintendo )?switch",
        },
        repeatable=True,
    ),
    "player_perspective": SlotRule(
        {
            "first person": r"first(?: and| or)? ?(?:person|third)\w*|1st person|first",
            "third person": r"third ?person\w*|3rd person|third",
            "bird view": r"birds?(?: s)?(?: eye)?(?: s)? ?(?:view\w*|perspectives?|style)?|top down|overhead",
            "side view": r"side ?(?:view\w*|scroll\w*|perspectives?|on)?",
        },
        repeatable=True,
    ),
    "esrb": SlotRule(
        {
            "m for mature": r"(?:rated )?m for mature|mature|rated m|m rat\w+",
            "t for teen": r"(?:rated )?t for teens?|teen\w*|rated t|t rat\w+",
            "e for everyone": r"(?:rated )?e for everyone(?! 10)|rated (?:e|everyone)(?! 10| for)|(?:e|everyone) rat\w+"
            r"|all ages",
            "e 10 for everyone 10 and older": r"e ?10(?: for everyone)?(?: 10)?(?: and (?:older|up|over))?|everyone 10"
            r"|ten and (?:older|up|over)|(?:10|ten) (?:and|or) (?:older|up|over)",
        },
        repeatable=True,
    ),
    "rating": SlotRule(
        {
            "excellent": r"excellent\w*|amazing\w*|lov(?:e|es|ed|ing)|favou?rites?|best|fantastic|great\w*"
            r"|incredibl\w+|outstanding|superb|awesome|top|masterpiece|phenomenal|perfect\w*"
            r"|very (?:high|good|well)|highly|exceptional\w*|really (?:like|good|enjoy)\w*|brilliant"
            r"|wonderful|stellar|high\w*|adore[ds]?|terrific|fond",
            "good": r"good|great\w*|enjoy\w*|lik(?:e|es|ed|ing)|fun|well|decent\w*|solid|positive\w*|fan|fans"
            r"|into|nice\w*|lov(?:e|ed)|high\w*|best|favou?rites?|pleasant|better|fond|cool|awesome"
            r"|hooked|appreciat\w+",
            "average": r"average\w*|mediocre|okay|ok|so so|decent\w*|middling|alright|fine|meh"
            r"|not (?:bad|great|amazing|the (?:best|worst))|mixed|adequate\w*|lackluster"
            r"|nothing (?:\w+ )?(?:special|amazing|great)|neutral|indifferen\w+|passable|mid"
            r"|(?:all|too|that|so|very) (?:great|fond|good|bad|special|impressed|into)|lukewarm"
            r"|ordinary|standard|moderate\w*|middle|run of the mill|forgettable|bland|worst"
            r"|stand\w* out|strong feelings|underwhelm\w+|generic|unremarkable|impress\w+|interesting"
            r"|boring",
            "poor": r"poor\w*|bad\w*|terribl\w+|awful\w*|dis ?lik\w+|hat(?:e|ed|ing)"
            r"|not (?:\w+ ){0,3}(?:enjoy\w*|like[ds]?|good|fun|great|fan|for me|recommend\w*|care|into|well)"
            r"|worst|low\w*|disappoint\w+|horribl\w+|negative\w*|sucks?|lackluster|lousy|unenjoyable"
            r"|stand|least|garbage|trash|lame|mess|boring|frustrat\w+|annoy\w+|fail\w*|worse|too fun"
            r"|dread\w+|crap\w*|unimpress\w+|ruin\w*|dull",
        },
        closed=False,
        repeatable=True,
    ),
    "release_year": SlotRule(repeatable=True),
    "has_multiplayer": SlotRule(
        topic=r"multi ?players?|multi|co ?op\w*|with (?:\w+ )?(?:friends?|others|other people)"
        r"|online(?: play\w*| mode)?",
        opposite=r"single ?play\w*|single|solo|alone|by (?:yourself|myself)|on (?:my|your) own|one player",
    ),
    "available_on_steam": SlotRule(topic=r"steam"),
    "has_linux_release": SlotRule(topic=r"linux"),
    "has_mac_release": SlotRule(topic=r"macs?|macintosh|macos|os x"),
}

# Dataset of a card → its rules.
RULES: dict[str, Rules] = {"e2e_cleaned": E2E, "viggo": VIGGO}


def rules_of(dataset: str) -> Rules:
    """The rules of a dataset, or those that hold of any."""
    return RULES.get(dataset, GENERIC)
