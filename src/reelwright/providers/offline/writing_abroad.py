# ruff: noqa: E501 - sentences stand whole, as people hear them
"""An outline's own sentences in five more languages that have a voice here. None of them states a fact.

`first`, `second` and `last` are three wordings each, the usual one before; `seen` are the pictures of an outline's lines.
"""

from typing import Final

SEEN: Final = (
    "the words {topic} on a blank page",
    "an empty notebook and a magnifying glass",
    "a person speaking to an audience",
    "a camera in front of an open window",
    "a staircase with a light at each step",
    "a chart beside an open book",
    "two people talking",
    "a light bulb in an open hand",
    "a finished book with a bookmark",
)

ABROAD: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "de": {
        "first": ("Dies ist nur ein Entwurf für ein Video über {topic}.", "Was folgt, ist ein Entwurf für ein Video über {topic}.", "Hier ist ein Plan, nur ein Entwurf, für ein Video über {topic}."),
        "second": ("Es wurde keine Quelle gefunden, also wird hier nichts als Tatsache ausgegeben.", "Es war keine Quelle zu finden, deshalb stellt dieser Text keine Tatsachen fest.", "Ohne Quelle ist nichts von dem, was folgt, als Tatsache gemeint."),
        "middle": (
            "Beginne mit einem klaren Satz, der sagt, was es für dein Publikum bedeutet.",
            "Zeige dann einen einzigen Moment, einen Ort oder einen Menschen, der es greifbar macht.",
            "Erkläre danach, wie es funktioniert, einen kleinen Schritt nach dem anderen.",
            "Füge eine Zahl hinzu, die du belegen kannst, und sage, woher sie stammt.",
            "Stelle die Frage, die sich alle stellen, und beantworte sie einfach.",
            "Schließe mit dem Gedanken, den dein Publikum behalten soll.",
        ),
        "last": ("Gib diesem Entwurf einen Artikel oder einen Link, und er wird zu einer wahren Geschichte.", "Füge einen Artikel oder einen Link hinzu, und aus diesem Entwurf wird eine wahre Geschichte.", "Mit einem Artikel oder einem Link von dir wird dieser Entwurf zu einer wahren Geschichte."),
        "lead": ("Hör dir das an.", "Stell dir das vor."),
        "outline_note": ("Dies ist ein Entwurf: Es wurde keine Quelle gefunden, also nennt er keine Tatsachen.",),
        "outline_tags": ("entwurf", "videoidee", "skizze"),
    },
    "it": {
        "first": ("Questo è solo uno schema per un video su {topic}.", "Quello che segue è uno schema per un video su {topic}.", "Ecco un piano, soltanto uno schema, per un video su {topic}."),
        "second": ("Non è stata trovata nessuna fonte, quindi nulla di ciò che segue pretende di essere un fatto.", "Non c'era nessuna fonte da trovare, quindi questo testo non afferma alcun fatto.", "Senza una fonte, nulla di quanto segue vuole essere un fatto."),
        "middle": (
            "Inizia con una frase chiara che dica che cosa significa per il tuo pubblico.",
            "Poi mostra un solo momento, un luogo o una persona che lo renda reale.",
            "Dopo spiega come funziona, un piccolo passo alla volta.",
            "Aggiungi un numero che puoi dimostrare e di' da dove viene.",
            "Fai la domanda che si fanno tutti e rispondi in modo semplice.",
            "Concludi con l'idea che il tuo pubblico dovrebbe ricordare.",
        ),
        "last": ("Dai a questo schema un articolo o un link e diventerà una storia vera.", "Aggiungi un articolo o un link e questo schema diventerà una storia vera.", "Con un tuo articolo o un tuo link, questo schema diventerà una storia vera."),
        "lead": ("Ascolta.", "Immagina."),
        "outline_note": ("Questo è uno schema: non è stata trovata nessuna fonte, quindi non afferma fatti.",),
        "outline_tags": ("schema", "idea", "bozza"),
    },
    "pt": {
        "first": ("Este é apenas um esboço para um vídeo sobre {topic}.", "O que segue é um esboço para um vídeo sobre {topic}.", "Aqui está um plano, apenas um esboço, para um vídeo sobre {topic}."),
        "second": ("Nenhuma fonte foi encontrada, por isso nada aqui é afirmado como verdade.", "Não havia nenhuma fonte a encontrar, por isso este texto não afirma nada como certo.", "Sem uma fonte, nada do que segue deve ser tomado como verdade."),
        "middle": (
            "Comece com uma frase clara que diga o que isso significa para o seu público.",
            "Depois mostre um único momento, um lugar ou uma pessoa que o torne real.",
            "Em seguida explique como funciona, um pequeno passo de cada vez.",
            "Acrescente um número que possa provar e diga de onde ele vem.",
            "Faça a pergunta que todos fazem e responda de forma simples.",
            "Termine com a ideia que o seu público deve guardar.",
        ),
        "last": ("Dê a este esboço um artigo ou um link, e ele se tornará uma história verdadeira.", "Acrescente um artigo ou um link, e este esboço será uma história verdadeira.", "Com um artigo ou um link seu, este esboço será uma história verdadeira."),
        "lead": ("Ouça isto.", "Imagine isto."),
        "outline_note": ("Este é um esboço: nenhuma fonte foi encontrada, por isso não afirma nada.",),
        "outline_tags": ("esboço", "ideia", "rascunho"),
    },
    "ja": {
        "first": ("これは{topic}についての動画の構成案にすぎません。", "ここから先は、{topic}についての動画の構成案です。", "{topic}についての動画のために、構成案だけを用意しました。"),
        "second": ("出典が見つからなかったため、ここでは事実を述べていません。", "出典がなかったので、ここに事実の主張はありません。", "出典がないため、以下の内容は事実として述べるものではありません。"),
        "middle": (
            "まず、見る人にとっての意味を一文ではっきり伝えます。",
            "次に、それを身近に感じさせる場面や場所や人を一つ見せます。",
            "続いて、その仕組みを一歩ずつ説明します。",
            "証明できる数字を一つ加え、どこから来たのかを示します。",
            "よく聞かれる質問を取り上げ、わかりやすく答えます。",
            "最後に、覚えていてほしい考えを一つ伝えます。",
        ),
        "last": ("記事かリンクを加えれば、この構成案は本当の物語になります。", "記事やリンクがあれば、この構成案から本当の物語が生まれます。", "あなたの記事かリンクを足すと、この構成案は本当の物語になります。"),
        "lead": ("聞いてください。", "想像してください。"),
        "outline_note": ("これは構成案です。出典が見つからなかったため、事実は述べていません。",),
        "outline_tags": ("構成案", "アイデア", "下書き"),
    },
    "ar": {
        "first": ("هذا الذي تسمعه الآن مجرد مخطط لفيديو عن {topic}.", "ما تسمعه فيما يلي مخطط لفيديو عن {topic}.", "إليك الآن خطة، وهي مجرد مخطط، لفيديو عن {topic}."),
        "second": ("لم يُعثر على أي مصدر لهذا الموضوع، لذلك لا يدّعي أي شيء يُقال هنا أنه حقيقة.", "لم يكن هناك أي مصدر يمكن العثور عليه، لذلك لا يذكر هذا النص أي حقائق على الإطلاق.", "من دون مصدر لهذا الموضوع، لا يُقصد بأي شيء مما يُقال هنا أن يكون حقيقة."),
        "middle": (
            "ابدأ بجملة واحدة واضحة تقول فيها ما الذي يعنيه هذا الموضوع لجمهورك.",
            "ثم اعرض لحظة واحدة فقط أو مكانًا أو شخصًا يجعل هذا الموضوع ملموسًا أمام المشاهدين.",
            "بعد ذلك اشرح للمشاهدين كيف يعمل هذا الأمر، خطوة صغيرة بعد خطوة أخرى.",
            "أضف رقمًا واحدًا يمكنك إثباته، واذكر للمشاهدين المصدر الذي جاء منه.",
            "اطرح السؤال الذي يطرحه معظم الناس عادة، ثم أجب عنه ببساطة ووضوح.",
            "واختم بالفكرة الواحدة التي ينبغي أن يتذكرها جمهورك بعد المشاهدة.",
        ),
        "last": ("أضف مقالًا أو رابطًا إلى هذا المخطط، فيصبح بذلك قصة حقيقية يمكن روايتها.", "مع مقال أو رابط تضيفه أنت، يتحول هذا المخطط إلى قصة حقيقية يمكن روايتها.", "بمقال واحد أو رابط منك يصبح هذا المخطط قصة حقيقية يمكن روايتها للناس."),
        "lead": ("استمع إلى هذا.", "تخيّل هذا."),
        "outline_note": ("هذا مخطط: لم يُعثر على مصدر، لذلك لا يذكر أي حقائق.",),
        "outline_tags": ("مخطط", "فكرة", "مسودة"),
    },
}  # fmt: skip
