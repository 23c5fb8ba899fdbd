"""What extraction knows of a language: its small words, its abbreviations and how its words change."""

import re
import unicodedata
from dataclasses import dataclass, field

_WORD = re.compile(r"[^\W_]+(?:['’\-][^\W_]+)*")
_DENSE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\u0e00-\u0e7f]")  # scripts that write no spaces

_A_WORD_S, _A_TOKEN_S, _A_LETTER_S, _A_CHARACTER_S = 0.4, 0.067, 0.0686, 0.2
_LETTERS_A_DIGIT = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """`subject` words lean on the subject of the sentences before them, `leaning` ones on the very last sentence.

    `pointing` finds what else is understood only behind the very last sentence: "The second is", "esa sal".
    """

    code: str
    small: frozenset[str]
    verbs: frozenset[str] = frozenset()
    generic: frozenset[str] = frozenset()
    asking: frozenset[str] = frozenset()
    abbreviations: frozenset[str] = frozenset()
    subject: frozenset[str] = frozenset()
    leaning: frozenset[str] = frozenset()
    pointing: re.Pattern[str] | None = None
    droppable: re.Pattern[str] | None = None
    trailing: re.Pattern[str] | None = None
    seam: re.Pattern[str] | None = None
    loose: re.Pattern[str] | None = None
    reason: re.Pattern[str] | None = None
    striking: re.Pattern[str] | None = None
    definite: re.Pattern[str] | None = None
    irregular: dict[str, str] = field(default_factory=dict[str, str])


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


ENGLISH = Language(
    code="en",
    small=_set(
        "a an the and or but nor so yet if then than that this these those of in on at by for from to into onto over "
        "under with without within between among through during before after about above below up down out off as is "
        "are was were be been being am do does did done have has had having can could will would shall should may "
        "might must not no it its itself he him his she her hers they them their theirs we us our you your i me my "
        "who whom whose which what when where why how there here all any both each few more most other some such only "
        "own same too very just also s t don now ever while because until although though whereas however therefore "
        "per via like across against along around toward towards upon one two let get got many much often usually "
        "typically generally especially particularly well even still rather almost either neither every another "
        "several various "
        "always sometimes near nearly approximately "
        "roughly once away alongside including several called known actually really does doesn't don't isn't can't it's"
    ),
    verbs=_set(
        "create creates created make makes made making become becomes became use "
        "uses used using include includes included including take "
        "takes took taken give gives gave given go goes went come comes came find finds found contain contains "
        "contained consist consists form forms formed refer refers referred consider considered describe described "
        "develop developed produce produces produced provide provides provided occur occurs occurred allow allows "
        "allowed cause causes caused keep keeps kept help helps helped show shows shown mean means meant begin begins "
        "began need needs needed lead leads led live lives lived work works worked stop happen happens want know "
        "explain say says said tell see seen look enabling using based believed estimated regarded located born died "
        "extend extends cover covers covered belong belongs release releases released convert store stored exist exists"
    ),
    generic=_set(
        "history story stories fact facts benefit benefits life lives science secret secrets truth guide introduction "
        "origin origins meaning importance thing things way ways day days year years time times world people person "
        "reason reasons part parts type types kind kinds video reel short explained explanation works work basics "
        "overview everything something anything amazing interesting fun surprising best top invention discovery rise "
        "fall effect effects impact future past question questions answer myth myths three four five six seven eight "
        "nine ten today biggest largest greatest number name names "
        "need live go know happen big long old hot deep fast "
        "far high great new first last mean good bad tell about matter look quick brief beginners"
    ),
    asking=_set("what why how when where who which whose do does did is are was were can could will would should"),
    abbreviations=_set(
        "mr mrs ms dr prof st sr jr vs etc e.g i.e approx ca cf inc ltd co corp no nos vol fig gen col sgt capt lt rev "
        "hon gov sen rep mt ft est dept univ assn bros p pp ed eds al viz jan feb mar apr jun jul aug sep sept oct nov "
        "dec a.m p.m u.s u.k u.n b.c a.d ph.d d.c r lit min max"
    ),
    subject=_set("it its he his him she her they their them"),
    leaning=_set(
        "this these that those such however but and or so also therefore thus hence moreover furthermore instead "
        "meanwhile consequently otherwise nevertheless nonetheless then another other others both neither either "
        "here there similarly additionally likewise yet still again one some most many former latter"
    ),
    pointing=re.compile(
        r"^The (?:first|second|third|last|latter|former|others?|same|reverse|opposite|result|answer|reason)\s"
        r"(?:one\s)?(?:is|was|are|were|has|had|does|did|can|goes|went|happens|applies)\b"
        r"|^(?:Here|There),|\b(?:these|those) (?:two|three|words|numbers)\b|\bdo(?:es)? the (?:same|opposite)\b"
        r"|^(?:In|On|At|From|With|By|After|Before|Once|For|Until|Over|Under|During|Each|Every)\b[^,;:]{0,40}?,?\s"
        r"(?:it|they|he|she)\b"
    ),
    droppable=re.compile(
        r"^(?:However|Moreover|Furthermore|Additionally|In addition|Also|Indeed|In fact|Nevertheless|Nonetheless),\s+"
    ),
    trailing=re.compile(
        r"(?:,\s+(?:including|such as|especially|particularly|notably|as well as)\s[^;:,]*"
        r"|,\s+(?:including|such as)\s(?:[^;:,\s]+\s?){1,4}"
        r"(?:,\s(?:[^;:,\s]+\s?){1,4}){0,6},?\s(?:and|or)\s(?:[^;:,\s]+\s?){1,4}"
        r"|,\s+(?:which|where|whereas|while|although|though)\s[^;:,]*|;\s[^;]*)(?=[.!?]$)"
    ),
    seam=re.compile(r"(?:;|:|—|,)\s|\s(?=(?:and|but|because|while|which|where|when|although)\s)"),
    loose=re.compile(r"\s(?=(?:with|from|by|in|into|at|on|for|to|or|as|than|that|of)\s)"),
    reason=re.compile(r"\b(?:because|due to|caused by|causes?|results? (?:in|from)|so that|in order to|owing to)\b"),
    striking=re.compile(
        r"\b(?:first|only|never|largest|smallest|oldest|fastest|longest|tallest|highest|deepest|biggest|heaviest|rarest"
        r"|greatest|most|more than|over|million|billion|trillion|no other|every|extinct|deadliest|half|third)\b|\d",
        re.IGNORECASE,
    ),
    definite=re.compile(r"(?:\b(?P<article>an?|the)\s+)?$", re.IGNORECASE),
    irregular={
        "mice": "mouse", "geese": "goose", "men": "man", "women": "woman", "children": "child", "teeth": "tooth",
        "feet": "foot", "oxen": "ox", "leaves": "leaf", "wolves": "wolf", "knives": "knife", "lives": "life",
        "bacteria": "bacterium", "fungi": "fungus", "cacti": "cactus", "octopi": "octopus", "dice": "die",
        "volcanoes": "volcano", "tornadoes": "tornado", "potatoes": "potato", "tomatoes": "tomato", "shoes": "shoe",
        "species": "species", "series": "series", "news": "news", "movies": "movie", "cookies": "cookie",
    },
)  # fmt: skip

SPANISH = Language(
    code="es",
    small=_set(
        "el la los las un una unos unas lo al del de en a por para con sin sobre entre hasta desde hacia según y e o u "
        "ni pero sino que si como cuando donde quien cual cuyo es son era eran fue fueron ser sido está están estaba "
        "ha han había hay haber no se su sus le les me te nos mi tu él ella ellos ellas este esta estos estas ese esa "
        "eso aquel aquella más menos muy ya también solo sólo todo toda todos todas otro otra otros otras uno dos "
        "qué cómo cuándo dónde quién cuál por porque tras durante mediante ante bajo así tan tanto cada"
    ),
    verbs=_set(
        "tiene tienen tener hace hacen hacer puede pueden poder debe deben usa usan utiliza utilizan llama llamado "
        "llamada conocido conocida considerado considerada forma forman encuentra encuentran refiere trata consiste "
        "incluye incluyen existe existen nacido nacida nació murió desarrolla produce producen funciona funcionan"
    ),
    generic=_set(
        "historia datos dato vida ciencia secreto secretos origen importancia cosa cosas mundo día año años tiempo "
        "tipo tipos beneficios curiosidades verdad guía resumen tres cinco diez"
    ),
    asking=_set("qué cómo cuándo dónde quién cuál cuáles quiénes por"),
    abbreviations=_set(
        "sr sra srta dr dra prof etc ej p pág págs núm vol ed ud uds art av aprox s c a ee uu d lic ing"
    ),
    subject=_set("él ella ellos ellas su sus"),
    leaning=_set(
        "este esta estos estas ese esa eso esto sin pero y además también así por tal tales dicho dicha otro otra "
        "otros otras ambos ambas sino entonces aunque luego allí"
    ),
    pointing=re.compile(
        r"\b(?:es[ao]s?|ese|aquell?[ao]s?|aquel|dich[ao]s?|tales)\s\w+|^El (?:primero|segundo|último)\b"
    ),
    droppable=re.compile(r"^(?:Sin embargo|Además|No obstante|Asimismo|De hecho),\s+"),
    trailing=re.compile(
        r"(?:,\s+(?:que|como|incluyendo|especialmente|donde|aunque|mientras)\s[^;:,]*|;\s[^;]*)(?=[.!?]$)"
    ),
    seam=re.compile(r"(?:;|:|—|,)\s|\s(?=(?:y|pero|porque|que|donde|cuando|aunque)\s)"),
    loose=re.compile(r"\s(?=(?:con|para|en|por|desde|hasta|de|del|a|o)\s)"),
    reason=re.compile(
        r"\b(?:porque|por eso|así que|debido a|causad[oa]s? por|provoca|ya que|puesto que)\b", re.IGNORECASE
    ),
    striking=re.compile(
        r"\b(?:primer[oa]?|únic[oa]s?|nunca|mayor|menor|más|millones|todos|cada|mejor|mitad)\b|\d", re.IGNORECASE
    ),
    definite=re.compile(r"(?:\b(?P<article>el|la|los|las|un|una)\s+)?$", re.IGNORECASE),
)

FRENCH = Language(
    code="fr",
    small=_set(
        "le la les l un une des du de d en à au aux par pour avec sans sur sous entre vers chez dans et ou ni mais "
        "donc or car que qu qui quoi dont où si comme quand est sont était étaient fut furent être été a ont avait "
        "avaient avoir ne n pas plus moins très se s son sa ses leur leurs il elle ils elles on nous vous je tu ce cet "
        "cette ces c lui y aussi tout toute tous toutes autre autres un deux même pourquoi comment quel quelle quels "
        "quelles depuis pendant après avant ainsi lors selon afin chaque entre jusqu"
    ),
    verbs=_set(
        "fait font faire peut peuvent pouvoir doit doivent utilise utilisé utilisée appelé appelée connu connue "
        "considéré considérée forme forment trouve trouvent désigne désignent consiste comprend comprennent existe "
        "existent né née mort morte produit produisent fonctionne fonctionnent ronronnent"
    ),
    generic=_set(
        "histoire faits fait vie science secret secrets origine importance chose choses monde jour an ans année années "
        "temps type types bienfaits vérité guide résumé trois cinq dix"
    ),
    asking=_set("quoi pourquoi comment quand où qui quel quelle quels quelles que est-ce qu'est-ce"),
    abbreviations=_set(
        "m mm mme mlle dr pr etc ex p pp vol no art av env cf st ste j.-c apr janv févr sept oct nov déc"
    ),
    subject=_set("il elle ils elles son sa ses leur leurs"),
    leaning=_set(
        "ce cet cette ces cela c'est mais et aussi donc ainsi toutefois cependant pourtant puis alors en tel telle "
        "tels telles celui celle ceux celles autre autres y or enfin"
    ),
    droppable=re.compile(r"^(?:Cependant|Toutefois|De plus|En outre|Néanmoins|En effet),\s+"),
    trailing=re.compile(
        r"(?:,\s+(?:qui|que|dont|où|notamment|comme|ainsi que|tandis que|bien que)\s[^;:,]*|;\s[^;]*)(?=\s?[.!?]$)"
    ),
    seam=re.compile(r"(?:;|:|—|,)\s|\s(?=(?:et|mais|car|qui|que|où|dont)\s)"),
    loose=re.compile(r"\s(?=(?:avec|pour|dans|par|en|sur|depuis|de|du|des|à|au|ou)\s)"),
    reason=re.compile(r"\b(?:parce que?|car|en raison d|dû à|causée?s? par|provoque|grâce à|afin d)"),
    striking=re.compile(
        r"\b(?:premi(?:er|ère)s?|seule?s?|jamais|plus|millions?|milliards?|chaque|tous|toutes|moitié)\b|\d",
        re.IGNORECASE,
    ),
    definite=re.compile(r"(?:\b(?P<article>les?|la|une?)\s+|\b(?P<elided>l)['’])?$", re.IGNORECASE),
)

OTHER = Language(code="", small=frozenset())

_KNOWN = {language.code: language for language in (ENGLISH, SPANISH, FRENCH)}


def language_of(text: str, *, declared: str) -> Language:
    """Return the language a text is written in: the declared one unless its small words say another, else OTHER."""
    words = [word.casefold() for word in _WORD.findall(text[:6_000])]
    if len(words) < 12:  # noqa: PLR2004 - too few words to contradict what was declared
        return _KNOWN.get(declared[:2].lower(), OTHER)
    shares = {code: sum(word in known.small for word in words) / len(words) for code, known in _KNOWN.items()}
    best = max(shares, key=lambda code: (shares[code], code == declared[:2]))
    declared_share = shares.get(declared[:2].lower(), 0.0)
    if declared_share > max(0.15, 0.7 * shares[best]):  # a text full of names and numbers still has 0.15
        return _KNOWN[declared[:2].lower()]
    return _KNOWN[best] if shares[best] > 0.25 else OTHER  # noqa: PLR2004 - running text has 0.35 to 0.55


def known_language(code: str) -> Language:
    """Return the language of a code (`en`, `es-MX`), or OTHER."""
    return _KNOWN.get(code[:2].lower(), OTHER)


def words_of(text: str) -> list[str]:
    """Return a text's words as written, without punctuation."""
    return _WORD.findall(text)


def spoken_words(text: str) -> int:
    """Return how long a text is in spoken words: of usual English ones, 0.4 s each, however many it is written in."""
    return round(spoken_s(text) / _A_WORD_S)


def spoken_s(text: str) -> float:
    """Return about how many seconds a text takes to say, at 150 words a minute.

    Longer words take longer, digits are said as words, and scripts without spaces have two characters to a word: fitted
    to what the offline voices take for 66 sentences in four languages (by tokens alone a sentence is off by an eighth).
    """
    dense = len(_DENSE.findall(text))
    rest = _DENSE.sub(" ", text) if dense else text
    tokens = sum(any(c.isalnum() for c in token) for token in rest.split())
    letters = sum(c.isalpha() + _LETTERS_A_DIGIT * c.isdigit() for c in rest)
    return _A_TOKEN_S * tokens + _A_LETTER_S * letters + _A_CHARACTER_S * dense


def folded(word: str) -> str:
    """Return a word without case and accents."""
    decomposed = unicodedata.normalize("NFKD", word.casefold().replace("’", "'"))
    return "".join(c for c in decomposed if not unicodedata.combining(c))


def stem(word: str, language: Language) -> str:
    """Return a word's singular, folded: enough to match 'Octopuses' with 'octopus'; not a linguist's stem."""
    plain = folded(word).removesuffix("'s")
    if plain in language.irregular:
        return language.irregular[plain]
    kept = ("ss", "us", "is") if language.code == "en" else ("ss",)
    if len(plain) <= 3 or plain.endswith(kept):  # noqa: PLR2004 - 'gas', 'bus': no plural ending
        return plain
    if language.code == "en":
        if plain.endswith("ies") and len(plain) > 4:  # noqa: PLR2004 - 'pies', 'ties'
            return plain[:-3] + "y"
        if plain.endswith(("ches", "shes", "sses", "xes", "uses", "zzes")):
            return plain[:-2]
    if language.code == "es" and plain.endswith("es") and plain[-3:-2] in "lnrdzj":
        return plain[:-2]
    return plain[:-1] if plain.endswith(("s", "x" if language.code == "fr" else "s")) else plain


_INFLECTION = 4  # letters: no ending in these languages is longer, and no shorter word says enough to be matched


def alike(one: str, other: str) -> bool:
    """Return whether two folded words are forms of one word: 'purr' and 'purring', 'eruption' and 'erupt'."""
    short, long = sorted((one, other), key=len)
    if short == long:
        return True
    near = len(short) >= _INFLECTION and len(long) - len(short) <= _INFLECTION
    return near and long.startswith(short[: max(_INFLECTION, len(short) - 1)])
