"""Reels that say a text: one scene, a word every 300 ms."""

from reelwright.rendering import Timeline, Word
from tests.rooms.rendering.fixture import plan, take

TEXTS = {
    "latin": "Cats purr, and so it is that bones heal faster than we ever thought. Really?",
    "vietnamese": "Tại sao mèo kêu gừ gừ? Các nhà khoa học giải thích.",
    "cyrillic": "Почему кошки мурлычут? Учёные объясняют это явление просто. Їжак.",
    "greek": "Γιατί γουργουρίζουν οι γάτες; Οι επιστήμονες εξηγούν.",
    "japanese": "今日は、猫がなぜゴロゴロと喉を鳴らすのかについてお話しします。NASAの研究者（30人）が発見！",
    "chinese": "你知道为什么猫会发出呼噜声吗？科学家发现，这种声音可以帮助骨骼愈合。",
    "taiwanese": "你知道為什麼貓會發出呼嚕聲嗎？科學家發現，這種聲音可以幫助骨骼癒合。",
    "korean": "고양이는 왜 그르렁거릴까요? 과학자들이 그 이유를 설명합니다.",
    "arabic": "هل تعلم لماذا تخرخر القطط؟ يقول العلماء في NASA Space Center إن 25 هرتز تُساعد.",
    "persian": "گربه‌ها می‌خواهند آرام شوند؛ این صدا کمک می‌کند.",
    "hebrew": "למה חתולים מגרגרים? מדענים ב־NASA גילו ש-25 הרץ עוזרים!",
    "hindi": "बिल्लियाँ क्यों घुरघुराती हैं? वैज्ञानिक बताते हैं।",
}


def spoken(text: str, *, platform: str = "tiktok", width: int = 1080, height: int = 1920) -> Timeline:
    """A reel of one scene; a word lasts 280 ms, or 90 ms a letter where it is longer than that."""
    words: list[Word] = []
    at = 100
    for said in text.split(" "):
        length = max(280, 90 * len(said) if len(said) > 14 else 0)
        words.append(Word(said, at, at + length))
        at += length + 20
    scene = take(narration_ms=at + 200, duration_ms=at + 700, words=tuple(words))
    return plan(scene, target_ms=at + 700, width=width, height=height, platform=platform)
