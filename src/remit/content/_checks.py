"""Checksums and formats of identifiers, each named after the document that defines it."""

import ipaddress
import re


def luhn(digits: str) -> bool:
    """ISO/IEC 7812-1, annex B: cards, and identifiers built like them."""
    total = 0
    for i, c in enumerate(reversed(digits)):
        d = int(c)
        if i % 2:
            d = d * 2 - 9 if d > 4 else d * 2
        total += d
    return total % 10 == 0


_CARDS = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})"
    r"|(?:5[1-5]\d{2}|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}"
    r"|3[47]\d{13}"
    r"|3(?:0[0-59]|[689]\d)\d{11}"
    r"|(?:6011|64[4-9]\d|65\d\d)\d{12,15}"
    r"|62\d{14,17}"
    r"|35(?:2[89]|[3-8]\d)\d{12}|(?:2131|1800)\d{11}"
    r"|220[0-4]\d{12,15}|9792\d{12}|(?:606282\d{10}|3841\d{12}|60[0-9]{2}\d{12}|508[125-9]\d{12})"
    r"|(?:5018|5020|5038|5893|6304|6759|676[1-3])\d{8,15}"
)


def card(digits: str) -> bool:
    """A payment card of a known issuer range and length, with a Luhn digit."""
    return _CARDS.fullmatch(digits) is not None and luhn(digits) and len(set(digits)) > 1


def ssn(digits: str) -> bool:
    """A Social Security number that the SSA can have issued: area, group and serial not zero."""
    return (
        len(digits) == 9
        and digits[:3] not in {"000", "666"}
        and digits[0] != "9"
        and digits[3:5] != "00"
        and digits[5:] != "0000"
        and digits not in {"123456789", "078051120", "219099999"}
        and len(set(digits)) > 1
    )


def itin(digits: str) -> bool:
    """IRS individual taxpayer number: 9xx with a group of 50-65, 70-88, 90-92, 94-99."""
    group = int(digits[3:5])
    return digits[0] == "9" and (
        50 <= group <= 65 or 70 <= group <= 88 or 90 <= group <= 92 or 94 <= group <= 99
    )


_IBAN_LENGTHS = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22,
    "BR": 29, "BY": 28, "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DK": 18, "DO": 28,
    "EE": 20, "EG": 29, "ES": 24, "FI": 18, "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23,
    "GL": 18, "GR": 27, "GT": 28, "HR": 21, "HU": 28, "IE": 22, "IL": 23, "IQ": 23, "IS": 26,
    "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LC": 32, "LI": 21, "LT": 20, "LU": 20,
    "LV": 21, "LY": 25, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MR": 27, "MT": 31, "MU": 30,
    "NL": 18, "NO": 15, "PK": 24, "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22,
    "SA": 24, "SC": 31, "SE": 24, "SI": 19, "SK": 24, "SM": 27, "ST": 25, "SV": 28, "TL": 23,
    "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20,
}  # fmt: skip


def iban(text: str) -> str:
    """The part of ``text`` that is an IBAN (ISO 13616: length by country, mod 97), or nothing."""
    bare = "".join(text.split()).replace("-", "").upper()
    length = _IBAN_LENGTHS.get(bare[:2], 0)
    if not length or len(bare) < length:
        return ""
    bare = bare[:length]
    number = "".join(str(int(c, 36)) for c in bare[4:] + bare[:4])
    return bare if int(number) % 97 == 1 else ""


def npi(digits: str) -> bool:
    """US National Provider Identifier: Luhn over 80840 and the number (45 CFR 162.406)."""
    return len(digits) == 10 and digits[0] in "12" and luhn("80840" + digits)


def dea(text: str) -> bool:
    """DEA registration: first+third+fifth digit and twice the others end in the seventh."""
    d = [int(c) for c in text[2:]]
    return (d[0] + d[2] + d[4] + 2 * (d[1] + d[3] + d[5])) % 10 == d[6]


def address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """An IP address, or ``None``."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _weighted(digits: str, weights: tuple[int, ...]) -> int:
    return sum(int(d) * w for d, w in zip(digits, weights, strict=False))


def nhs(digits: str) -> bool:
    """NHS number: modulus 11 over nine digits (NHS Data Dictionary)."""
    check = 11 - _weighted(digits, (10, 9, 8, 7, 6, 5, 4, 3, 2)) % 11
    return len(digits) == 10 and (0 if check == 11 else check) == int(digits[9])


def cpf(digits: str) -> bool:
    """Brazilian CPF: two check digits, modulus 11."""
    if len(digits) != 11 or len(set(digits)) == 1:
        return False
    for n in (9, 10):
        check = _weighted(digits[:n], tuple(range(n + 1, 1, -1))) * 10 % 11 % 10
        if check != int(digits[n]):
            return False
    return True


_VERHOEFF_D = (
    "0123456789", "1234067895", "2340178956", "3401289567", "4012395678",
    "5987604321", "6598710432", "7659821043", "8765932104", "9876543210",
)  # fmt: skip
_VERHOEFF_P = (
    "0123456789", "1576283094", "5803796142", "8916043527",
    "9453126870", "4286573901", "2793806415", "7046913258",
)  # fmt: skip


def aadhaar(digits: str) -> bool:
    """Indian Aadhaar: twelve digits, the last by Verhoeff; the first is not 0 or 1."""
    c = 0
    for i, d in enumerate(reversed(digits)):
        c = int(_VERHOEFF_D[c][int(_VERHOEFF_P[i % 8][int(d)])])
    return len(digits) == 12 and digits[0] not in "01" and c == 0


def china(text: str) -> bool:
    """Chinese resident number: 17 digits and a check by ISO 7064 mod 11-2 (GB 11643)."""
    total = _weighted(text[:17], (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2))
    return "10X98765432"[total % 11] == text[17].upper() and _birth(text[6:14])


def _birth(text: str) -> bool:
    year, month, day = int(text[:4]), int(text[4:6]), int(text[6:8])
    return 1900 <= year <= 2035 and 1 <= month <= 12 and 1 <= day <= 31


def spain(text: str) -> bool:
    """Spanish DNI or NIE: a letter by the number modulo 23."""
    text = text.upper().replace("-", "").replace(" ", "")
    number = text[:-1]
    if number[0] in "XYZ":
        number = str("XYZ".index(number[0])) + number[1:]
    return number.isdigit() and "TRWAGMYFPDXBNJZSQVHLCKE"[int(number) % 23] == text[-1]


_ITALY_ODD = dict(zip(
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 1, 0, 5, 7, 9, 13, 15, 17, 19, 21,
     2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23), strict=True,
))  # fmt: skip


def italy(text: str) -> bool:
    """Italian codice fiscale: the last letter by the fifteen before it (DM 23/12/1976)."""
    text = text.upper()
    total = sum(
        int(c, 36) - (0 if c.isdigit() else 10) if i % 2 else _ITALY_ODD[c]
        for i, c in enumerate(text[:15])
    )
    return chr(65 + total % 26) == text[15]


def bsn(digits: str) -> bool:
    """Dutch BSN: the test of eleven."""
    return len(digits) == 9 and _weighted(digits, (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0


def pesel(digits: str) -> bool:
    """Polish PESEL."""
    return len(digits) == 11 and _weighted(digits, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)) % 10 == 0


def steuer_id(digits: str) -> bool:
    """German tax number of a person: ISO 7064 mod 11, 10."""
    product = 10
    for c in digits[:10]:
        total = (int(c) + product) % 10 or 10
        product = total * 2 % 11
    return len(digits) == 11 and digits[0] != "0" and (11 - product) % 10 == int(digits[10])


def nir(text: str) -> bool:
    """French social security number with its key: 97 less the number modulo 97."""
    text = "".join(text.split()).upper()
    body = text[:13].replace("2A", "19").replace("2B", "18")
    return body.isdigit() and 97 - int(body) % 97 == int(text[13:])


def nric(text: str) -> bool:
    """Singapore NRIC or FIN."""
    text = text.upper()
    total = _weighted(text[1:8], (2, 7, 6, 5, 4, 3, 2)) + {"T": 4, "G": 4, "M": 3}.get(text[0], 0)
    table = {"S": "JZIHGFEDCBA", "T": "JZIHGFEDCBA", "M": "KLJNPQRTUWX"}.get(text[0], "XWUTRQPNMLK")
    return table[total % 11] == text[8]


def hetu(text: str) -> bool:
    """Finnish personal identity code: a letter by the nine digits modulo 31."""
    number = int(text[:6] + text[7:10])
    return "0123456789ABCDEFHJKLMNPRSTUVWXY"[number % 31] == text[10].upper()


def tfn(digits: str) -> bool:
    """Australian tax file number: weighted sum divisible by eleven."""
    return len(digits) == 9 and _weighted(digits, (1, 4, 3, 7, 5, 8, 6, 9, 10)) % 11 == 0


def au_medicare(digits: str) -> bool:
    """Australian Medicare card: the ninth digit checks the first eight."""
    return digits[:1] in set("23456") and _weighted(digits, (1, 3, 7, 9, 1, 3, 7, 9)) % 10 == int(
        digits[8]
    )


def aba(digits: str) -> bool:
    """US bank routing number (ABA)."""
    return (
        len(digits) == 9
        and digits != "0" * 9
        and _weighted(digits, (3, 7, 1, 3, 7, 1, 3, 7, 1)) % 10 == 0
    )


def rrn(digits: str) -> bool:
    """Korean resident registration number."""
    total = _weighted(digits, (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5))
    return len(digits) == 13 and (11 - total % 11) % 10 == int(digits[12])


_MONTHS = {m: i for i, m in enumerate(
    ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1
)}  # fmt: skip


def birth_date(text: str) -> bool:
    """Whether a date can be somebody's birthday."""
    numbers = [int(n) for n in re.findall(r"\d+", text)]
    if len(numbers) == 1 and len(text) == 8:
        return _birth(text)
    years = [n for n in numbers if 1900 <= n <= 2035]
    return bool(years or len(numbers) == 3) and all(
        0 < n <= 31 or n in years or n <= 99 for n in numbers
    )
