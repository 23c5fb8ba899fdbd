# ruff: noqa: E501 - sentences stand whole, as people hear them
"""The sentences that are ours to say, by language: openings, endings, outlines. None of them states a fact."""

from typing import Final

from reelwright.providers.offline.writing_abroad import ABROAD, SEEN

TEMPLATES: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "en": {
        "what": ("What exactly {is} {subject}?",),
        "who": ("Who {was} {subject}?",),
        "about": ("Here is what is known about {subject}.", "A short story about {subject}, told from its source.", "Take a moment for {subject}.", "What would you say if somebody asked you about {subject}?"),
        "wonder": ("Curious about {subject}? Here is what the encyclopaedia says.",),
        "end": ("Which part surprised you the most?", "Which part surprised you the most? Tell us below."),
        "calm": ("Take that thought with you today.", "Take that thought with you, and pass it on to a friend."),
        "energetic": ("Follow along for the next one!", "Share this with a friend, and follow for the next one!"),
        "serious": ("The source is named in the caption.", "Read the source in the caption for the whole story."),
        "warm": ("Share this with someone you like.", "Share this with someone who would love to know it too."),
        "told": ("All of this comes from Wikipedia, in its own words.",),
        "lead": ("Listen to this.", "Did you know?", "Picture this."),
        "aside": ("Remember that.", "Imagine that.", "Keep that in mind."),
        "source": ("Source",),
        "shortened": ("shortened",),
        "brief": ("{title} in brief",),
        "outline_note": ("This is an outline: no source was found, so it states no facts.",),
        "tags": ("learnsomethingnew", "didyouknow", "explained"),
        "outline_tags": ("outline", "storyidea", "draft"),
    },
    "es": {
        "what": ("¿Qué {is} exactamente {subject}?",),
        "who": ("¿Quién {was} {subject}?",),
        "about": ("Esto es lo que se sabe sobre {subject}.", "Una historia breve sobre {subject}, contada desde su fuente.", "Un momento para {subject}.", "¿Qué responderías si alguien te preguntara por {subject}?"),
        "wonder": ("¿Curiosidad por {subject}? Esto dice la enciclopedia.",),
        "end": ("¿Qué parte te sorprendió más a ti?", "¿Qué parte te sorprendió más? Cuéntanos en los comentarios."),
        "serious": ("La fuente está en la descripción.", "Lee la fuente en la descripción para saber toda la historia."),
        "told": ("Todo esto viene de Wikipedia, con sus propias palabras.",),
        "lead": ("Escucha esto.", "¿Lo sabías?", "Imagina esto."),
        "aside": ("Recuérdalo bien.", "Imagínalo.", "Tenlo presente."),
        "source": ("Fuente",),
        "shortened": ("abreviado",),
        "brief": ("{title}, en breve",),
        "outline_note": ("Esto es un esquema: no se encontró ninguna fuente, así que no afirma nada.",),
        "tags": ("aprende", "sabiasque", "curiosidades"),
        "outline_tags": ("esquema", "idea", "borrador"),
    },
    "fr": {
        "what": ("Qu'est-ce que c'est, exactement, {subject} ?",),
        "who": ("Qui {was} {subject} ?",),
        "about": ("Voici ce que l'on sait sur {subject}.", "Une courte histoire sur {subject}, racontée depuis sa source.", "Un instant pour {subject}.", "Auriez-vous su raconter {subject} ?"),
        "wonder": ("Curieux d'en savoir plus sur {subject} ? Voici ce que dit l'encyclopédie.",),
        "end": ("Quelle partie vous a le plus surpris ?", "Quelle partie vous a le plus surpris ? Dites-le en commentaire."),
        "serious": ("La source est indiquée dans la légende.", "Lisez la source en légende pour connaître toute l'histoire."),
        "told": ("Tout cela vient de Wikipédia, avec ses propres mots.",),
        "lead": ("Écoutez ceci.", "Le saviez-vous ?", "Imaginez ceci."),
        "aside": ("Retenez bien cela.", "Imaginez cela.", "Gardez cela en tête."),
        "source": ("Source",),
        "shortened": ("abrégé",),
        "brief": ("{title}, en bref",),
        "outline_note": ("Ceci est un plan : aucune source n'a été trouvée, donc il n'affirme rien.",),
        "tags": ("apprendre", "lesaviezvous", "culture"),
        "outline_tags": ("plan", "idee", "brouillon"),
    },
    **ABROAD,
}  # fmt: skip

OUTLINES: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "en": (
        ("This is only an outline for a video about {topic}.", "the words {topic} on a blank page"),
        ("No source was found, so nothing here claims to be a fact.", "an empty notebook and a magnifying glass"),
        ("Begin with one clear sentence that says what it means to your viewers.", "a person speaking to an audience"),
        ("Then show a single moment, a place or a person that makes it real.", "a camera in front of an open window"),
        ("Next, explain how it works, one small step at a time.", "a staircase with a light at each step"),
        ("Add one number that you can prove, and say where it comes from.", "a chart beside an open book"),
        ("Ask the question that people usually ask, and answer it plainly.", "a question mark above two people talking"),
        ("Name one thing that is still unknown or still being argued about.", "a telescope under a night sky"),
        ("Let somebody who knows it well say one sentence in their own words.", "a microphone on a wooden table"),
        ("Compare it with something that everybody has seen or touched at home.", "a pair of scales on a kitchen table"),
        ("Finish with the one thought that people should take away from it.", "a light bulb in an open hand"),
        ("Give this outline an article or a link, and it becomes a true story.", "a finished book with a bookmark"),
    ),
    "es": (
        ("Esto es solo un esquema para un vídeo sobre {topic}.", "las palabras {topic} en una página en blanco"),
        ("No se encontró ninguna fuente, así que nada de esto pretende ser un hecho.", "un cuaderno vacío y una lupa"),
        ("Empieza con una frase clara que diga qué significa para tu público.", "una persona que habla ante un público"),
        ("Luego muestra un solo momento, un lugar o una persona que lo haga real.", "una cámara ante una ventana abierta"),
        ("Después explica cómo funciona, paso a paso y sin prisa.", "una escalera con una luz en cada peldaño"),
        ("Añade una cifra que puedas demostrar y di de dónde viene.", "un gráfico junto a un libro abierto"),
        ("Haz la pregunta que hace todo el mundo y respóndela con claridad.", "dos personas que conversan"),
        ("Termina con la idea que tu público debería recordar.", "una bombilla en una mano abierta"),
        ("Dale a este esquema un artículo o un enlace y será una historia verdadera.", "un libro terminado con un marcador"),
    ),
    "fr": (
        ("Ceci n'est qu'un plan pour une vidéo sur {topic}.", "les mots {topic} sur une page blanche"),
        ("Aucune source n'a été trouvée, donc rien ici ne prétend être un fait.", "un carnet vide et une loupe"),
        ("Commencez par une phrase claire qui dit ce que cela signifie pour votre public.", "une personne face à un public"),
        ("Montrez ensuite un seul moment, un lieu ou une personne qui le rend réel.", "une caméra devant une fenêtre ouverte"),
        ("Expliquez après cela comment cela marche, une étape à la fois.", "un escalier avec une lumière à chaque marche"),
        ("Ajoutez un chiffre que vous pouvez prouver et dites d'où il vient.", "un graphique à côté d'un livre ouvert"),
        ("Posez la question que tout le monde se pose et répondez simplement.", "deux personnes qui discutent"),
        ("Terminez par l'idée que votre public doit retenir.", "une ampoule dans une main ouverte"),
        ("Donnez à ce plan un article ou un lien, et il devient une histoire vraie.", "un livre fini avec un signet"),
    ),
    **{
        code: tuple(zip((own["first"][0], own["second"][0], *own["middle"], own["last"][0]), SEEN, strict=True))
        for code, own in ABROAD.items()
    },
}  # fmt: skip

# Other wordings of an outline's first, second and last sentence: they say the same and promise no more.
OUTLINE_WAYS: Final[dict[str, tuple[tuple[str, ...], ...]]] = {
    "en": (
        ("What follows is an outline for a video about {topic}.", "Here is a plan, just an outline, for a video about {topic}."),
        ("There was no source to be found, so this states no facts.", "Without a source, none of this is meant to be a fact."),
        ("Add an article or a link, and this outline turns into a true story.", "With an article or a link of yours, this outline becomes a true story."),
    ),
    "es": (
        ("Lo que sigue es un esquema para un vídeo sobre {topic}.", "Aquí va un plan, solo un esquema, para un vídeo sobre {topic}."),
        ("No hubo ninguna fuente que encontrar, así que esto no afirma ningún hecho.", "Sin una fuente, nada de lo que sigue pretende ser un hecho cierto."),
        ("Añade un artículo o un enlace y este esquema será una historia verdadera.", "Con un artículo o un enlace tuyo, este esquema será una historia verdadera."),
    ),
    "fr": (
        ("Ce qui suit n'est qu'un plan pour une vidéo sur {topic}.", "Voici un plan, et rien de plus, pour une vidéo sur {topic}."),
        ("Il n'y avait aucune source à trouver, donc ceci n'affirme aucun fait.", "Sans source, rien de ce qui suit ne prétend être un fait."),
        ("Ajoutez un article ou un lien, et ce plan devient une histoire vraie.", "Avec un article ou un lien de vous, ce plan devient une histoire vraie."),
    ),
    **{code: tuple(own[part][1:] for part in ("first", "second", "last")) for code, own in ABROAD.items()},
}  # fmt: skip

PLATFORM_TAGS: Final = {"tiktok": "learnontiktok", "reels": "reels", "shorts": "shorts"}
