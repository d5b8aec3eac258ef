# ruff: noqa: RUF001 - patterns in many scripts, easier to read in one line than in two
"""The words for "ignore what you were told before", language by language."""

import msgspec


class Rule(msgspec.Struct, frozen=True):
    """One pattern.

    Attributes:
        id: its name in findings.
        label: what it shows: ``override``, ``role_spoofing``, ``prompt_leak``, ``jailbreak``,
            ``indirect_command``, ``tool_bait``, ``hidden_command``, ``encoded_payload``.
        points: what a match adds to the logit.
        regex: RE2 syntax; ``(?i)`` is put before it.
        keywords: one of them (ASCII) is in every match; see :class:`~remit.content.patterns.Pattern`.
            Without them it always runs.
    """

    id: str
    label: str
    points: float
    regex: str
    keywords: tuple[str, ...] = ()


def _tongue(name: str, drop: str, orders: str, keys: tuple[str, ...] = ()) -> Rule:
    r"""Dropping earlier orders, in either word order. RE2's ``\w`` and ``\b`` know ASCII only."""
    drop, orders = (p.replace(r"\w", r"[\pL\pM\pN]").replace(r"\b", "") for p in (drop, orders))
    return Rule(
        f"override_{name}", "override", 3.5,
        rf"(?:{drop})[^.?!。！？\n]{{0,60}}(?:{orders})|(?:{orders})[^.?!。！？\n]{{0,24}}(?:{drop})",
        keys,
    )  # fmt: skip


LATIN: tuple[Rule, ...] = (
    _tongue("es_pt_it", r"\b(?:ignor[ae]|ignor(?:en|ar)|olvid[ae]|omit[ae]|descart[ae]|esque[çc]a|"
            r"desconsidere|dimentica|trascura)\b", r"(?:instruc[ct]i?[oóõ]\w+|instruções|istruzioni|"
            r"indicaciones|directrices|diretrizes|direttive|reglas|regras|regole|órdenes) "
            r"(?:\w+ ){0,2}(?:anterior|previ|precedent|acima|original|ricevut|que te)",
            ("ignor", "olvid", "omit", "descart", "esque", "desconsider", "dimentic", "trascur")),
    _tongue("fr", r"\b(?:ignore[zr]?|oublie[zr]?|néglige[zr]?|contourne[zr]?)\b", r"(?:instructions|"
            r"consignes|règles|directives) (?:\w+ ){0,2}(?:précédent|antérieur|ci-dessus|initial|"
            r"d'origine|système)", ("ignore", "oublie", "glige", "contourne")),
    _tongue("de_nl", r"\b(?:ignorier\w*|vergiss|vergessen|missacht\w*|negeer|vergeet|umgeh\w*)\b",
            r"\b(?:vorherig|bisherig|obig|früher|ursprünglich|vorig|eerder|bovenstaand)\w* "
            r"(?:\w+ )?(?:Anweisung|Regel|Befehl|Vorgabe|Instru|regels)\w*",
            ("ignorier", "vergiss", "vergess", "missacht", "negeer", "vergeet", "umgeh")),
    _tongue("pl_cs", r"(?:zignoruj|ignoruj|zapomn|zapomeň|pomiń|pomin)", r"(?:poprzedni|wcześniejsz|"
            r"powyższ|předchoz|předeš)\w* (?:\w+ )?(?:instrukc|poleceni|zasad|pokyn|pravidl)\w*",
            ("ignoruj", "zapom", "pomi")),
    _tongue("tr", r"(?:yok say|unut|görmezden gel|dikkate alma)", r"(?:önceki|yukarıdaki|verilen) "
            r"(?:\w+ )?(?:talimat|kural|komut)\w*", ("yok say", "unut", "rmezden", "dikkate")),
    _tongue("vi_id", r"\b(?:bỏ qua|quên|abaikan|lupakan)\b", r"(?:(?:hướng dẫn|chỉ dẫn|quy tắc|"
            r"lệnh) (?:\w+ )?(?:trước|ở trên)|(?:instruksi|aturan|perintah) (?:\w+ )?(?:sebelum|"
            r"di atas|awal))", (r"\bqu", "abaikan", "lupakan")),
    _tongue("nordic", r"\b(?:ignorera|glöm|ignorer|glem|ohita|unohda)\b", r"(?:tidigare|föregående|"
            r"tidligere|forrige|aiemmat|edelliset) (?:\w+ )?(?:instru|regl|regel|ohjee|säänn)\w*",
            ("ignorer", r"\bgl", "ohita", "unohda")),
    _tongue("ro", r"\b(?:ignoră|uită|nu ține cont)\b", r"(?:instrucțiuni|reguli)\w* "
            r"(?:\w+ )?(?:anterioare|de mai sus|precedente)", ("ignor", r"\buit", "ine cont")),
)  # fmt: skip

OTHER: tuple[Rule, ...] = (
    _tongue("ru_uk", r"(?:игнориру|проигнорируй|забудь|отбрось|не обращай внимания|ігнору)\w*",
            r"(?:предыдущ|прежн|вышеуказан|выше|попередн|наведен)\w* (?:\w+ )?"
            r"(?:инструкци|указани|правил|команд|інструкці)\w*"),
    _tongue("zh", r"(?:忽略|忘记|忘掉|无视|不要理会|忽視|無視|忘記|不要遵守|绕过)",
            r"(?:之前|以上|前面|上述|先前|此前|上面|你的)[^。\n]{0,6}(?:指令|指示|规则|提示|設定|设定|命令|規則)"),
    _tongue("ja", r"(?:無視|忘れ|破棄|従わない)", r"(?:以前|これまで|上記|前|先ほど|元)の?[^。\n]{0,8}"
            r"(?:指示|命令|ルール|プロンプト|設定)"),
    _tongue("ko", r"(?:무시|잊)", r"(?:이전|위|앞|지금까지)의? ?[^.\n]{0,6}(?:지시|명령|규칙|지침)"),
    _tongue("ar", r"(?:تجاهل|انس|أهمل)", r"(?:التعليمات|الأوامر|القواعد|الإرشادات) (?:السابقة|أعلاه|الأصلية)"),
    _tongue("hi", r"(?:अनदेखा|नज़रअंदाज|भूल)", r"(?:पिछले|ऊपर|पहले)[^।\n]{0,16}(?:निर्देश|नियम|आदेश)"),
    _tongue("he", r"(?:התעלם|שכח)", r"(?:ההוראות|הכללים|ההנחיות) (?:הקודמות|הקודמים|שלמעלה)"),
    _tongue("el", r"(?:αγνόησε|αγνοήστε|ξέχνα|ξεχάστε)", r"(?:προηγούμεν|παραπάνω)\w*(?: \w+)? (?:οδηγί|εντολ|κανόν)\w*"),
    _tongue("th", r"(?:เพิกเฉย|ละเว้น|ลืม)", r"(?:คำสั่ง|คำแนะนำ|กฎ)[^\n]{0,12}(?:ก่อนหน้า|ข้างต้น|เดิม)"),
)  # fmt: skip
