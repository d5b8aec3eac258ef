import random

import pytest

from remit.content import _checks as checks
from remit.content.base import Surroundings
from remit.content.detectors.pii import DETECTOR
from remit.content.views import read

CHANCE = random.Random(13)


@pytest.fixture(autouse=True)
def _same_values(request):
    """The values of a test do not depend on the tests before it."""
    CHANCE.seed(request.node.name)


def digits(size):
    return "".join(CHANCE.choice("0123456789") for _ in range(size))


def until(make, holds):
    while True:
        value = make()
        if holds(value):
            return value


def find(text):
    return list(DETECTOR.find(read(text), Surroundings()))


def labels(text):
    return [(f.label, text[f.start : f.end]) for f in find(text)]


MAKE = {
    "US_SSN": lambda: f"{CHANCE.randint(100, 600)}-{CHANCE.randint(10, 99)}-{CHANCE.randint(1000, 9999)}",
    "CREDIT_CARD": lambda: until(lambda: "4" + digits(15), checks.card),
    "IBAN_CODE": lambda: until(lambda: f"DE{digits(20)}", checks.iban),
    "NPI": lambda: until(lambda: "1" + digits(9), checks.npi),
    "DEA": lambda: until(lambda: "AB" + digits(7), checks.dea),
    "MBI": lambda: f"{CHANCE.randint(1, 9)}EG4TE5MK7{CHANCE.randint(0, 9)}",
    "MRN": lambda: CHANCE.choice([digits(8), "A" + digits(7), f"{digits(3)}-{digits(2)}-{digits(3)}"]),
    "MEMBER_ID": lambda: "XYZ" + digits(9),
    "US_PASSPORT": lambda: "C" + digits(8),
    "ICD10": lambda: CHANCE.choice(["E11.65", "J45.909", "C50.911", "F41.1"]),
    "DATE_TIME": lambda: CHANCE.choice(["04/17/1984", "1984-04-17", "17.04.1984", "April 17, 1984"]),
    "PHONE_NUMBER": lambda: CHANCE.choice(["(212) 555-0142", "212-555-0142", "+44 20 7946 0991", "+4930 5550 1234"]),
    "EMAIL_ADDRESS": lambda: CHANCE.choice(["ada@corp.example", "a.b+c@mail.example.co.uk"]),
    "IP_ADDRESS": lambda: f"81.{CHANCE.randint(1, 250)}.7.{CHANCE.randint(31, 250)}",
}  # fmt: skip
CONTEXTS = {
    "US_SSN": ["SSN {}", '{{"ssn": "{}"}}', "<ssn>{}</ssn>", "REF*SY*{}~", "my social is {}", "{}"],
    "CREDIT_CARD": ["card {}", '"cardNumber":"{}"', "{}", "pay with {} exp 12/29"],
    "IBAN_CODE": ["IBAN {}", "transfer to {} now", '"iban":"{}"'],
    "NPI": ["NPI {}", '"npi":"{}"', "NM1*82*1*SMITH*ANN****XX*{}~", '"system":"http://hl7.org/fhir/sid/us-npi","value":"{}"',
            "PV1|1|O|||||{}^SMITH^ANN"],
    "DEA": ["DEA: {}", '"dea_number":"{}"', "DEA registration {}"],
    "MBI": ["MBI {}", "{}", "NM1*IL*1*DOE*JOHN****MI*{}~"],
    "MRN": ["MRN {}", "MRN #{}", '"medicalRecordNumber": "{}"', "PID|1||{}^^^HOSP^MR||DOE^JANE", "REF*EA*{}~", "Patient ID: {}",
            '"type":{{"coding":[{{"code":"MR"}}]}},"system":"urn:x","value":"{}"', "chart number {}", "id,mrn\n1,{}"],
    "MEMBER_ID": ["member id {}", '"memberId":"{}"', "Subscriber ID {}", "policy number: {}", "NM1*IL*1*DOE*JOHN****MI*{}~",
                  "name\tmember_id\nJane\t{}"],
    "US_PASSPORT": ["passport {}", '"passport_number": "{}"', "Passport No. {}", "| name | passport |\n|---|---|\n| J | {} |"],
    "ICD10": ["dx {}", "diagnosis: {}", "DG1|1||{}^desc^I10", "HI*ABK:{}~", '"system":"http://hl7.org/fhir/sid/icd-10-cm","code":"{}"',
              "admitted with {}."],
    "DATE_TIME": ["DOB: {}", '"birthDate":"{}"', "born on {}", "date of birth is {}"],
    "PHONE_NUMBER": ["call {}", "{}", '"phone":"{}"', "tel: {}", '"system":"phone","value":"{}"', "PER*IC*JANE*TE*{}~"],
    "EMAIL_ADDRESS": ["mail {}", "<{}>", '"email":"{}"', "mailto:{}", "Contact: {}."],
    "IP_ADDRESS": ["login from {}", "client_ip={}", "{} - - [10/Oct/2026]", "X-Forwarded-For: {}"],
}  # fmt: skip
PHI = {"MRN", "NPI", "DEA", "MBI", "MEMBER_ID", "ICD10"}


@pytest.mark.parametrize(("label", "text"), [(k, t) for k, ts in CONTEXTS.items() for t in ts])
def test_found_in_context(label, text):
    for _ in range(8):
        value = MAKE[label]()
        shown = text.format(value)
        hits = [f for f in find(shown) if f.label == label]
        assert len(hits) == 1, shown
        assert (
            value in shown[hits[0].start : hits[0].end]
            or shown[hits[0].start : hits[0].end] in value
        )
        assert hits[0].kind == ("phi" if label in PHI else "pii")


@pytest.mark.parametrize(
    "text",
    [
        "git@github.com:org/repo.git", "@scope/pkg@1.2.3", "logo@2x.png", "npm i react@18.2.0", "user@localhost",
        "OID 1.3.6.1.4.1.311.21.20", "version 10.2.3.4", "v1.2.3.4", "jQuery 3.6.0.1", "127.0.0.1:8080", "0.0.0.0",
        "255.255.255.0", "10.0.0.0/8", "::1", "fe80::1", "12:34:56", "00:1B:44:11:3A:B7", "2026-11-26 10:00:00",
        "epoch 1717171717", "1717171717123", "ISBN 978-3-16-148410-0", "part number 123-45-6789", "SKU: 321-65-4321",
        "RFC 2119", "uuid 123e4567-e89b-12d3-a456-426614174000", "3.14159265358979", "$1,234,567.89", "000-12-3456",
        "the I10 motorway and the E11 filter", "B12 vitamin", "Chapter 12.34", "the text is 1234567 characters", "12/25/2024",
        "4111111111111112", "id: 4111111111111111", "CVE-2021-44228", "passport.js v0.7.0", "born to run", "+1 vote",
        "phone number is required", "SSN format is XXX-XX-XXXX", "offset +0200", "arn:aws:iam::123456789012:role/x",
        "docket 2:20-cv-01234", "medical record keeping", "policy: allow", "diagnosis pending", "timeout 30000",
        "https://deploy@git.example.org/x", "ssh ops@db.example.org uptime", "Patient Zero", "call me maybe",
    ],
)  # fmt: skip
def test_look_alikes(text):
    assert labels(text) == []


@pytest.mark.parametrize(
    ("label", "text"),
    [
        ("UK_NHS", "NHS number 943 476 5919"), ("UK_NINO", "NI number AB 12 34 56 C"), ("CA_SIN", "SIN 046 454 286"),
        ("AU_TFN", "TFN 123 456 782"), ("DE_TAX_ID", "Steuer-ID 86 095 742 719"), ("FR_NIR", "2 55 08 14 168 025 38"),
        ("IT_FISCAL_CODE", "RSSMRA85T10A562S"), ("ES_NIF", "DNI 12345678Z"), ("NL_BSN", "BSN 111222333"),
        ("PL_PESEL", "PESEL 44051401359"), ("FI_PERSONAL_IDENTITY_CODE", "131052-308T"), ("BR_CPF", "529.982.247-25"),
        ("SG_NRIC_FIN", "S1234567D"), ("CN_RESIDENT_ID", "11010519491231002X"), ("IN_PAN", "PAN ABCPE1234F"),
        ("US_BANK_NUMBER", "routing number 021000021"), ("US_ITIN", "912-74-1234"), ("MX_CURP", "GOMC800101HDFRRS09"),
        ("US_DRIVER_LICENSE", "driver's license D1234567"), ("SE_PERSONNUMMER", "personnummer 811228-9874"),
        ("KR_RRN", "900101-1234568"), ("IN_AADHAAR", "Aadhaar 2341 2341 2346"), ("AU_MEDICARE", "Medicare 2123 45670 1"),
    ],
)  # fmt: skip
def test_other_countries(label, text):
    assert label in [found for found, _ in labels(text)], labels(text)


def test_iban_ends_where_its_country_says():
    iban = "GB33BUKB20201555555555"
    assert labels(f"to {iban} please pay") == [("IBAN_CODE", iban)]
    spaced = "GB33 BUKB 2020 1555 5555 55"
    assert labels(f"to {spaced} today") == [("IBAN_CODE", spaced)]
    assert labels("to GB34BUKB20201555555555") == []


def test_tables():
    text = "name,mrn,dob,npi\nJané,12345678,1980-01-02,1234567893\nBob,A99887,1/2/1970,1234567890\n\nnone,1\n"
    assert labels(text) == [
        ("MRN", "12345678"), ("DATE_TIME", "1980-01-02"), ("NPI", "1234567893"),
        ("MRN", "A99887"), ("DATE_TIME", "1/2/1970"),
    ]  # fmt: skip


@pytest.mark.parametrize("before", [0, 32_700, 32_760, 33_300, 70_000])
def test_tables_far_down(before):
    table = "name;MRN\nAnn;12345678\nBob;87654321\n"
    text = "a\n" * (before // 2) + table + "a\n" * 40_000 + "id\tmobile\n7\t+1 212 555 0142\n"
    found = labels(text)
    assert found[:2] == [("MRN", "12345678"), ("MRN", "87654321")]
    assert found[2][0] == "PHONE_NUMBER"


def test_in_disguise():
    value = MAKE["CREDIT_CARD"]()
    for text in (
        "".join(f"&#{ord(c)};" for c in value),
        "\u200b".join(value),
        f"card {value}".encode().hex(),
    ):
        assert [f.label for f in find(text)] == ["CREDIT_CARD"]


def test_hl7_message():
    text = (
        "MSH|^~\\&|A|B|C|D|20260101||ADT^A01|1|P|2.5\r"
        "PID|1||00123456^^^HOSP^MR||DOE^JANE||19800102|F|||||(212)555-0142|||||||212-45-6789\r"
        "DG1|1||E11.65^Type 2 diabetes^I10\r"
    )
    assert {label for label, _ in labels(text)} == {
        "MRN",
        "DATE_TIME",
        "PHONE_NUMBER",
        "US_SSN",
        "ICD10",
    }


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("call 212 555 0142", "212 555 0142"),
        ("user_call: 2125550142", "2125550142"),
        ("móvil: 612 345 678", "612 345 678"),
        ("MÓVIL 612345678", "612345678"),
        ("celular 5512345678", "5512345678"),
        ("bring 212 555 0142", ""),
        ("a string: 212 555 0142", ""),
        ("recall 212 555 0142", ""),
    ],
)
def test_words_that_phone_numbers_stand_behind(text, found):
    assert labels(text) == ([("PHONE_NUMBER", found)] if found else [])


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (checks.luhn, "4539148803436467", "4539148803436468"), (checks.npi, "1234567893", "1234567890"),
        (checks.dea, "AB1234563", "AB1234560"), (checks.nhs, "9434765919", "9434765918"), (checks.cpf, "52998224725", "52998224726"),
        (checks.china, "11010519491231002X", "110105194912310021"), (checks.spain, "12345678Z", "12345678A"),
        (checks.spain, "X1234567L", "X1234567A"), (checks.italy, "RSSMRA85T10A562S", "RSSMRA85T10A562T"),
        (checks.bsn, "111222333", "111222334"), (checks.pesel, "44051401359", "44051401358"), (checks.aba, "021000021", "021000022"),
        (checks.steuer_id, "86095742719", "86095742718"), (checks.nir, "255081416802538", "255081416802539"),
        (checks.nric, "S1234567D", "S1234567A"), (checks.hetu, "131052-308T", "131052-308U"), (checks.tfn, "123456782", "123456783"),
        (checks.ssn, "123456780", "666456780"), (checks.itin, "912741234", "912341234"), (checks.aadhaar, "234123412346", "234123412347"),
        (checks.birth_date, "1980-01-02", "1780-41-42"), (checks.rrn, "9001011234568", "9001011234567"),
        (checks.au_medicare, "2123456701", "2123456711"), (checks.iban, "GB33BUKB20201555555555", "GB34BUKB20201555555555"),
        (checks.card, "4111111111111111", "9111111111111111"), (checks.address, "81.2.69.142", "81.2.69.256"),
    ],
)  # fmt: skip
def test_checksums(check, good, bad):
    assert check(good)
    assert not check(bad)
