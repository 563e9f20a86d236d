"""Language codes, English names, scripts and writing directions; the standard library alone.

A code is ISO 639-1 where one exists, else ISO 639-3; a script is appended (`zh_Hant`) only where a language
stands in several. Program text has the code `zxx` (no linguistic content). Nothing ever falls back to
English: what is unknown is an error that names the nearest.

Source: ISO 639-1, ISO 639-3 and ISO 15924; aliases as FLORES-200, AfriSenti, NusaX and XWinograd use them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from mtft.errors import TaskError, nearest

Direction = Literal["ltr", "rtl"]


@dataclass(frozen=True, slots=True)
class Language:
    """One language as the project names it.

    Attributes:
        code: `en`, `quy`, or with a script `zh_Hant`.
        name: English name.
        script: ISO 15924 code of the script it is written in.
        direction: "ltr" or "rtl".
    """

    code: str
    name: str
    script: str
    direction: Direction


RIGHT_TO_LEFT = frozenset({"Arab", "Hebr", "Nkoo", "Thaa", "Syrc", "Adlm", "Samr", "Mand", "Rohg"})

# code: name, script (of the texts one meets; others are asked for as code_Script)
_TABLE = """
aa Afar Latn | ab Abkhazian Cyrl | ae Avestan Avst | af Afrikaans Latn | ak Akan Latn | am Amharic Ethi
an Aragonese Latn | ar Arabic Arab | as Assamese Beng | av Avaric Cyrl | ay Aymara Latn
az Azerbaijani Latn | ba Bashkir Cyrl | be Belarusian Cyrl | bg Bulgarian Cyrl | bi Bislama Latn
bm Bambara Latn | bn Bengali Beng | bo Tibetan Tibt | br Breton Latn | bs Bosnian Latn | ca Catalan Latn
ce Chechen Cyrl | ch Chamorro Latn | co Corsican Latn | cr Cree Cans | cs Czech Latn
cu Church_Slavonic Cyrl | cv Chuvash Cyrl | cy Welsh Latn | da Danish Latn | de German Latn | dv Divehi Thaa
dz Dzongkha Tibt | ee Ewe Latn | el Greek Grek | en English Latn | eo Esperanto Latn | es Spanish Latn
et Estonian Latn | eu Basque Latn | fa Persian Arab | ff Fulah Latn | fi Finnish Latn | fj Fijian Latn
fo Faroese Latn | fr French Latn | fy Western_Frisian Latn | ga Irish Latn | gd Scottish_Gaelic Latn
gl Galician Latn | gn Guarani Latn | gu Gujarati Gujr | gv Manx Latn | ha Hausa Latn | he Hebrew Hebr
hi Hindi Deva | ho Hiri_Motu Latn | hr Croatian Latn | ht Haitian_Creole Latn | hu Hungarian Latn
hy Armenian Armn | hz Herero Latn | ia Interlingua Latn | id Indonesian Latn | ie Interlingue Latn
ig Igbo Latn | ii Sichuan_Yi Yiii | ik Inupiaq Latn | io Ido Latn | is Icelandic Latn | it Italian Latn
iu Inuktitut Cans | ja Japanese Jpan | jv Javanese Latn | ka Georgian Geor | kg Kongo Latn | ki Kikuyu Latn
kj Kuanyama Latn | kk Kazakh Cyrl | kl Kalaallisut Latn | km Khmer Khmr | kn Kannada Knda | ko Korean Kore
kr Kanuri Latn | ks Kashmiri Arab | ku Kurdish Latn | kv Komi Cyrl | kw Cornish Latn | ky Kyrgyz Cyrl
la Latin Latn | lb Luxembourgish Latn | lg Ganda Latn | li Limburgish Latn | ln Lingala Latn | lo Lao Laoo
lt Lithuanian Latn | lu Luba-Katanga Latn | lv Latvian Latn | mg Malagasy Latn | mh Marshallese Latn
mi Maori Latn | mk Macedonian Cyrl | ml Malayalam Mlym | mn Mongolian Cyrl | mr Marathi Deva | ms Malay Latn
mt Maltese Latn | my Burmese Mymr | na Nauru Latn | nb Norwegian_Bokmål Latn | nd North_Ndebele Latn
ne Nepali Deva | ng Ndonga Latn | nl Dutch Latn | nn Norwegian_Nynorsk Latn | no Norwegian Latn
nr South_Ndebele Latn | nv Navajo Latn | ny Nyanja Latn | oc Occitan Latn | oj Ojibwa Cans | om Oromo Latn
or Odia Orya | os Ossetian Cyrl | pa Punjabi Guru | pi Pali Deva | pl Polish Latn | ps Pashto Arab
pt Portuguese Latn | qu Quechua Latn | rm Romansh Latn | rn Rundi Latn | ro Romanian Latn | ru Russian Cyrl
rw Kinyarwanda Latn | sa Sanskrit Deva | sc Sardinian Latn | sd Sindhi Arab | se Northern_Sami Latn
sg Sango Latn | sh Serbo-Croatian Latn | si Sinhala Sinh | sk Slovak Latn | sl Slovenian Latn
sm Samoan Latn | sn Shona Latn | so Somali Latn | sq Albanian Latn | sr Serbian Cyrl | ss Swati Latn
st Southern_Sotho Latn | su Sundanese Latn | sv Swedish Latn | sw Swahili Latn | ta Tamil Taml
te Telugu Telu | tg Tajik Cyrl | th Thai Thai | ti Tigrinya Ethi | tk Turkmen Latn | tl Tagalog Latn
tn Tswana Latn | to Tongan Latn | tr Turkish Latn | ts Tsonga Latn | tt Tatar Cyrl | tw Twi Latn
ty Tahitian Latn | ug Uyghur Arab | uk Ukrainian Cyrl | ur Urdu Arab | uz Uzbek Latn | ve Venda Latn
vi Vietnamese Latn | vo Volapük Latn | wa Walloon Latn | wo Wolof Latn | xh Xhosa Latn | yi Yiddish Hebr
yo Yoruba Latn | za Zhuang Latn | zh Chinese Hans | zu Zulu Latn | ace Acehnese Latn
acm Mesopotamian_Arabic Arab | aeb Tunisian_Arabic Arab | apc Levantine_Arabic Arab
arq Algerian_Arabic Arab | ary Moroccan_Arabic Arab | arz Egyptian_Arabic Arab | ast Asturian Latn
awa Awadhi Deva | ban Balinese Latn | bbc Toba_Batak Latn | bbj Ghomala Latn | bho Bhojpuri Deva
bjn Banjarese Latn | bug Buginese Latn | bzd Bribri Latn | ceb Cebuano Latn | ckb Central_Kurdish Arab
cni Ashaninka Latn | fil Filipino Latn | fon Fon Latn | hch Wixarika Latn | haw Hawaiian Latn
hmn Hmong Latn | ilo Ilocano Latn | kab Kabyle Latn | kmr Northern_Kurdish Latn | luo Luo Latn
mad Madurese Latn | mai Maithili Deva | min Minangkabau Latn | mos Mossi Latn | nah Nahuatl Latn
nij Ngaju Latn | nqo N’Ko Nkoo | nso Northern_Sotho Latn | oto Otomi Latn | pap Papiamento Latn
pcm Nigerian_Pidgin Latn | quy Ayacucho_Quechua Latn | quz Cusco_Quechua Latn | sat Santali Olck
scn Sicilian Latn | shp Shipibo-Konibo Latn | taq Tamasheq Tfng | tar Rarámuri Latn | tet Tetum Latn
tpi Tok_Pisin Latn | tum Tumbuka Latn | tzm Central_Atlas_Tamazight Tfng | umb Umbundu Latn | war Waray Latn
yue Cantonese Hant | zgh Moroccan_Tamazight Tfng | zxx No_linguistic_content Zyyy
"""

# Other names of the same: ISO 639-3 (and 639-2) codes of languages that have a two-letter one, of
# macro-languages through their usual member (arb, swh), and what single datasets write (jp, iw).
_ALIASES = """
aar=aa abk=ab afr=af aka=ak amh=am ara=ar arb=ar asm=as aym=ay ayr=ay aze=az azj=az bak=ba bel=be bul=bg
bam=bm ben=bn bod=bo bre=br bos=bs cat=ca ces=cs chv=cv cym=cy dan=da deu=de ger=de div=dv dzo=dz ewe=ee
ell=el gre=el eng=en epo=eo spa=es est=et ekk=et eus=eu fas=fa pes=fa per=fa ful=ff fuv=ff fin=fi fij=fj
fao=fo fra=fr fre=fr gle=ga gla=gd glg=gl grn=gn gug=gn guj=gu hau=ha heb=he iw=he hin=hi hrv=hr hat=ht
hun=hu hye=hy ind=id in=id ibo=ig isl=is ita=it jpn=ja jp=ja jav=jv jw=jv kat=ka geo=ka kon=kg kik=ki kaz=kk
khm=km kan=kn kor=ko kas=ks kir=ky lat=la ltz=lb lug=lg lim=li lin=ln lao=lo lit=lt lav=lv lvs=lv mlg=mg
plt=mg mri=mi mkd=mk mal=ml mon=mn khk=mn mar=mr msa=ms zsm=ms mlt=mt mya=my bur=my nob=nb nep=ne npi=ne
nld=nl dut=nl nno=nn nor=no nya=ny oci=oc orm=om gaz=om ori=or ory=or pan=pa pol=pl pus=ps pbt=ps por=pt
que=qu roh=rm ron=ro rum=ro run=rn rus=ru kin=rw san=sa srd=sc snd=sd sag=sg sin=si slk=sk slv=sl smo=sm
sna=sn som=so sqi=sq als=sq srp=sr ssw=ss sot=st sun=su swe=sv swa=sw swh=sw tam=ta tel=te tgk=tg tha=th
tir=ti tuk=tk tgl=tl tsn=tn tur=tr tso=ts tat=tt twi=tw uig=ug ukr=uk urd=ur uzb=uz uzn=uz vie=vi wol=wo
xho=xh yid=yi ydd=yi yor=yo zho=zh chi=zh cmn=zh zul=zu code=zxx
"""
# How a prompt or a table names a language in another script than its usual one.
_SCRIPT_NAMES = {
    "Arab": "Arabic script",
    "Beng": "Bengali script",
    "Cyrl": "Cyrillic script",
    "Deva": "Devanagari script",
    "Hans": "simplified characters",
    "Hant": "traditional characters",
    "Latn": "Latin script",
    "Tfng": "Tifinagh script",
}
_SCRIPT = re.compile(r"^[A-Z][a-z]{3}$")
_PRIVATE = re.compile(
    r"^q[a-t][a-z]$"
)  # ISO 639-2 leaves these to their users; the micro-world's languages have them


@lru_cache
def _known() -> dict[str, Language]:
    """Code → language, of the table."""
    found = {}
    for entry in _TABLE.replace("\n", "|").split("|"):
        if entry.strip():
            code, name, script = entry.split()
            found[code] = _language(code, name.replace("_", " "), script)
    return found


@lru_cache
def _aliases() -> dict[str, str]:
    """Other code or lower-case English name → code."""
    aliases = dict(entry.split("=") for entry in _ALIASES.split())
    names = {language.name.lower().replace(" ", "_"): code for code, language in _known().items()}
    return {**names, **aliases}


def _language(code: str, name: str, script: str) -> Language:
    return Language(code, name, script, "rtl" if script in RIGHT_TO_LEFT else "ltr")


def codes() -> list[str]:
    """All canonical codes without a script, sorted."""
    return sorted(_known())


def get(code: str) -> Language:
    """The language with this canonical code, `sw` or, with a script of its own, `zh_Hant`.

    Raises:
        TaskError: The code is not canonical or not known; the nearest are named.
    """
    base, _, script = code.partition("_")
    known = _known()
    if base not in known or (script and not _SCRIPT.match(script)):
        raise _unknown(code)
    language = known[base]
    shown = _SCRIPT_NAMES.get(script, script)
    return _language(code, f"{language.name} ({shown})", script) if script else language


def canonical(name: str) -> str:
    """The project's code for a code or an English name in use elsewhere.

    The script is dropped where it is the usual one.

    Example: `eng_Latn` → `en`, `swh_Latn` → `sw`, `indonesian` → `id`, `jp` → `ja`, `zho_Hant` → `zh_Hant`.

    Raises:
        TaskError: Nothing is known by that name; the nearest are named.
    """
    text = name.strip().replace("-", "_")
    if text.lower().replace(" ", "_") in _aliases():  # names may hold an underscore of their own
        return _aliases()[text.lower().replace(" ", "_")]
    base, _, script = text.partition("_")
    code = base.lower() if base.lower() in _known() else _aliases().get(base.lower())
    if code is None or (script and not _SCRIPT.match(script)):
        raise _unknown(name)
    # FLORES writes Korean by its alphabet alone, without the Hanja that `Kore` allows for.
    usual = {_known()[code].script, "Hang" if code == "ko" else ""}
    return code if script in {"", *usual} else f"{code}_{script}"


def _unknown(name: str) -> TaskError:
    alias = _aliases().get(name.lower())
    return TaskError(
        "A language must be known by an ISO 639 code (two letters where there are two).",
        found=f"`{name}`",
        remedy=f"It is written `{alias}` here." if alias else nearest(name.lower(), [*_known(), *_aliases()]),
    )


# Source: BLOOM's model card (bigscience/bloom), its 46 natural languages; mC4: Xue et
# al. 2021, "mT5", arXiv 2010.11934, table 6 (101 languages, Chinese in both scripts).
_BLOOM = """
ak ar as bm bn ca en es eu fon fr gu hi id ig ki kn lg ln ml mr ne nso ny or pa pt rn rw sn st sw ta te tn ts tum tw ur
vi wo xh yo zh zh_Hant zu
"""
_MC4 = """
af am ar az be bg bn ca ceb co cs cy da de el en eo es et eu fa fi fil fr fy ga gd gl gu ha haw he hi hmn ht hu hy id
ig is it ja jv ka kk km kn ko ku ky la lb lo lt lv mg mi mk ml mn mr ms mt my ne nl no ny pa pl ps pt ro ru sd si sk sl
sm sn so sq sr st su sv sw ta te tg th tr uk ur uz vi xh yi yo zh zh_Hant zu
"""
PRETRAINED = {"bloom": frozenset(_BLOOM.split()), "mc4": frozenset(_MC4.split())}


def pretrained_codes(names: Iterable[str]) -> frozenset[str]:
    """Codes, `all` among them, and the names of pretraining corpora (`bloom`, `mc4`), as codes.

    Raises:
        TaskError: A name is neither.
    """
    found: set[str] = set()
    for name in names:
        own = name == "all" or _PRIVATE.match(name)
        found |= PRETRAINED.get(name) or {name if own else canonical(name)}
    return frozenset(found)
