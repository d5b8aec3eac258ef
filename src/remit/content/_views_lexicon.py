"""Common English words, and those of instructions to a model: what a disguised word may stand for."""

import re
from collections.abc import Iterable, Sequence

from remit.content._views_lexicon_others import OTHERS

_COMMON = """
the and to you of your in is for this that are what as with it on not be do all any me my we if
or an at by from so no now can how who why when where which will would should could must may
have has had was were been there their they them then than these those our out up about into
only just also but one two first next last before after again more most other same such very
here its his her him she he us i a am did does let get got make made use used using new old good
yes never always ever every each both own over under off down back still without within between
"""
_TELLING = """
ignore ignoring disregard forget override bypass previous prior earlier above preceding original
instruction instructions rule rules guideline guidelines order orders prompt prompts system
message messages direction directions directive directives policy policies restriction
restrictions filter filters safety ethical ethics limit limits limitations constraints reveal
print show tell say write repeat output display respond response responses answer answers reply
give send forward email emails mail post upload share delete remove execute run call invoke open
visit click fetch read password passwords secret secrets key keys token tokens credential
credentials hidden confidential private internal developer developers admin administrator mode
enable disable disabled enabled activate assistant model language chatbot user users human act
pretend imagine roleplay role play character persona name named called unrestricted unfiltered
jailbreak anything everything nothing something someone start started begin beginning stop end
ending following follow follows given told asked ask question questions request requests task
tasks text word words sentence phrase line letter letters exactly verbatim full complete
completely entire list content contents context conversation chat history information data
document documents file files folder account accounts money transfer payment bank number code
codes access security secure command commands program programming training trained initial
initialization configuration set settings important attention please immediately instead because
however therefore help helpful harmful illegal dangerous evil free against refuse cannot able
allowed allow need needs want wants like know think makes keep work works world time people
create explain describe summarize summary translate translation english french spanish german
python function functions return input tool tools link links website web address url image page
result results true false real fake story poem joke game test testing debug string punctuation
pwned hacked sorry understand understood ready confirm agree obey comply ensure include
including add change changes update updated version current longer apply part parts top bottom
whole different great love hello thanks thank dear sure okay another even while until since
during through according based example learn learning life things thing way ways day today find
provide generate techniques short development best compare discussing don team take space earth
systems energy implement tips remember feedback writing ancient being below potential process
strategies computing music title understanding some cloud support machine customer service
travel intelligence future advice sharing handle power protocols causes plants well unique long
technology body sustainable sent parameters exercise research living art else artificial deep
injection strategy movie marketing network patterns design feel rome networks requires
algorithms subject knowledge making difference building operational plan languages benefits
climate healthy neural features social transparency see improve business review concepts
environment humans planet exact software three cybersecurity communication right revealing
includes basics stay personal renewable experience measures yourself cooking around experiments
finally received specific solve upon year physics issues financial consider behavior period
steps practices book health civilizations single gave society recommendations natural quantum
structures photography build electric person advanced water mobile challenges main vehicles
maintain theory indoor alien import renowned points project investment light bot various saving
form assist impact meeting quality better performance come chemistry creating base means
appropriate exploration recipes robot once develop storytelling planning many further importance
meditation musical species reduce search control magical might eating special together continue
city gardening principles self characters demonstrate present resources approach protect
application correct details models home api biology instruments event none saying events action
fix prevent across discovered ability working additionally thoughts database composing historian
items company routines moral nature group food possible high go growth journey trying actually
job break examples uses guide destinations product common focus efficient activities draft
complex decode second config says known affect capabilities purposes needed care factors helps
recommend young skills significant considerations step analyze room point analysis expert family
due renaissance architecture large replace public shared crucial cultural emotions fully harm
purpose goal script structure attached implementing plant status amount attacks designed proper
warning daily mars place inbox case going culture check found hope ensuring sources balance
situation small engine level thought avoid strong said state memory essential insert created
authorized internet providing management consequences style others trust communicate class times
algorithm solar disclosure green sales asking suggest universe market arguments behavioral
everyone led weather sense altering grammar format necessary respect past bear scenario engaging
query identify matter significantly contain look services community provided client rate
applications advancements date actual warnings normal restricted safe try note offer progress
assistants exist latest believe color discuss concept tests establish engage helping rest
multiple professional become attack humanity allows mental historical disclose session laws
required programmed report science concerns often behind boundaries values years looking
powerful lastly approaches general refusal red meet gather truly capable signed ideas legal
maintaining improved infrastructure discovery political media individual diverse allowing lead
plans risk modern showing detailed direct engineering spelling face featuring already five blue
white online simple actions choose additional spirit war source days overall effectively
significance whether non mind course goals require too elements meaning positive studying signs
lost guidance local setup cons pros century air channel typical standard perform explore finish
friendly morning effects type detail contains production ai chatgpt gpt whoami configurations
parameter disclosed disclosing initialize initialized simulation simulate audit clearance
uncensored censored moderation guardrail guardrails safeguard safeguards overriding overridden
supersede void revoked concealed conceal secretly quietly silently forwarded attacker exfiltrate
leak leaked dump recite decoded decrypt encrypt encoded obeys complying refusing refused apology
apologize disclaimer disclaimers unlimited limitless unlock unlocked unlocking uncover unmask
authorization authenticated permission permissions privilege privileges root sudo kernel
terminal shell scripts invoice transaction refund purchase recipient calendar invite contact
contacts attachment attachments weapon weapons bomb explosive explosives drug drugs malware
virus hacking hacker phishing poison kill steal stolen assume assumed assuming claim claims
repeatedly reprint restate rephrase paraphrase spell spelled backwards reverse reversed myself
himself itself themselves anyone everybody nobody tomorrow yesterday mammals bears hackeado
regardless otherwise although though unless whenever wherever whatever legitimate reason reasons
innocent guilty proven prove malicious trusted authority supervisor engineer engineers
maintenance emergency urgent urgently protocol classified definition definitions dialogue
preamble header footer paragraph paragraphs
whether reserved connect connected cancelled infinity detection compiling
"""
COMMON = tuple(_COMMON.split())
"""Words that hold sentences together."""
TELLING = tuple(_TELLING.split())
"""Words of requests and orders; the commonest first."""
# The others only confirm that a text is English; none of them gives a reason to read it so.
KNOWN = frozenset((*COMMON, *TELLING, *OTHERS))
CORE = (
    "ignore", "disregard", "previous", "instructions", "instruction", "system", "prompt", "reveal",
    "password", "forget", "guidelines", "restrictions", "override", "bypass", "execute", "secret",
    "credentials", "pretend", "respond", "assistant", "everything", "following", "unrestricted",
)  # fmt: skip
"""Words that give away an order in any cipher."""
GIVING_AWAY = frozenset(CORE)

_GLUE = frozenset(COMMON)
_VERBS = frozenset(
    ("ignore", "disregard", "reveal", "forget", "override", "bypass", "pretend", "respond")
)
_WORD = re.compile(r"[a-z]+")


def is_prose(words: Iterable[str]) -> bool:
    """Whether words, in lower case, may be a sentence: two are known, with a third of the letters."""
    every = list(words)
    known = [w for w in every if w in KNOWN and len(w) > 1]
    return len(known) > 1 and 3 * sum(map(len, known)) >= sum(map(len, every))


def reads(text: str) -> bool:
    """Whether ``text`` looks like English."""
    return is_prose(_WORD.findall(text.lower()))


def is_order(words: Sequence[str], share: float, least: int) -> bool:
    """Whether words, in lower case, are surely a sentence or an order.

    Of their letters ``share`` are in known words; and two words give an order away, one of them a
    verb, or there are ``least`` with two that hold a sentence together.
    """
    known = [w for w in words if w in KNOWN and len(w) > 1]
    if sum(map(len, known)) < share * sum(map(len, words)):
        return False
    telling = GIVING_AWAY.intersection(known)
    return (len(telling) > 1 and not telling.isdisjoint(_VERBS)) or (
        len(words) >= least and sum(map(_GLUE.__contains__, known)) > 1
    )
