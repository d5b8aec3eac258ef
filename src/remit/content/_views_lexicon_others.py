"""Frequent English words that neither hold sentences together nor tell of instructions.

Those of lower case that stand in at least six of 9,000 openly licensed English texts (half of the
development data, three collections of prompts, our own templates).
"""

_OTHERS = """
abandoned abide abilities aboard absorb abstract academic accept acceptable accessible
accomplishments accordingly accuracy accurate accurately achieve achieved achievement achievements
achieving acknowledging acting active activity acts adapt adaptability adaptation adaptations
adapted adapting adaptive added adding addition addressing adhere adjust adjustments
administrative admit adopting adorned advance advances advantage advantages adventure adversarial
advise advising advisor advocate affected affecting affection afraid afternoon agent ages agreed
agreement agricultural agriculture ahead aims alert align alignment alle alliance alliances allies
allocation almost alone along alongside alternate alternating alternative alternatives ambassador
ambiguous ambition ambitious amidst among amoral analysts analyzing anger animal animals anime
annual answered answering anthropologist anticipation anxiety anytime apart appear appearance
appears append apple appliances applied applying appointment appreciate apprentice approached
approved approximately apps arbitrary archaeologist architect architectural area areas argue
argument army array arrival arrived article artifact artist artistic artists aside asks aspect
aspects aspiring assert assess asset assistance assisting associated assurance astronaut
astronauts asynchronous atmosphere attempt attempting attempts attending attraction attributes
audience authentication author authors automated automatically autonomous availability available
average avoiding aware awareness away background backup balanced ball bash basic battery battle
battles beautiful beauty became becomes becoming bedtime began beginner beginners begins behave
beings beliefs believed belongs beloved beneath beneficial benefit benign beta beyond bias biased
biases binary biodiversity biologist bioluminescent bird black blank blend block blocked blocks
blog blood board bodies bonds bone bones books born botanist bounty brackets brain branch branches
brand bread breakfast breaking breaks breakthrough breathing breathtaking brief bright bring
brings broken brought budget buildings built bullet bump bustling busy bypassed bypassing cache
calls calm came camera campaign cant capability capacity capital capitalization capitalized caps
captivates captivating capture carbon card career careful carefully caring cars cases cast catch
categories category caught cauldron cause caused causing caution cautious cease celebrate
celestial cells censor censorship centuries certain challenge challenging chance chances changed
changing channels chaos chapter characteristics characterized charge charged charging charm
checking checks chef chemical chicken child childhood children chocolate choice choices choosing
circle circumstances circumvent cities citizen citizens civil civilization classes classical
classification classifiers clean cleaner clear clearly clock close closely closer closing clothing
clouds clues coach coding coffee cognitive cold collaboration collaborative colleague collect
collection collective college colony colors column columns comando combat combination combine
combined combining comes comfort comfortable coming comment comments commit commitment committed
communities companies compared comparing comparison compassion compassionate compelling
competition competitors completed completion complexities complexity compliance component
components composition comprehensive compromise computer computers concentration concern concise
condition conditions conducted conducting conference confidence confined confines confirmation
confirmed conflict conflicts confused confusion congestion connection connections consciousness
conservation consideration considered considering consist consistency consistent consistently
consists constant constantly constructing construction constructive consumption container
containing contemporary continuous continuously contrast contribute contributed contributes
contributing controlled controls conversations convey convince cool cooperation coordinate cope
copy core corporate correctly cosmic cosmos cost costs council countless countries country courage
court cover covered covers cream creates creation creative creativity creators creature creatures
credit crew crime criminal crisis criteria critic critical crop crushed cultures curiosity curious
currently custom customers customs cycle damage damaged dance danger dangers dark darkness
databases datasets dead deadlines deal dealing death debate debugging decide decided decides
decipher deciphering decision decisions decline dedicated deeper deeply default defeat defeated
defend defending defense defenses definitely deine delay deleting deliberately delicate delightful
deliver delivered delivery delve demand demanding demands democracy demonstrated demonstrates
demonstrating denied dense density department dependencies dependency depending depends deploy
deployment deployments depression depth depths described describing description designing desire
desired desires destroy destruction detect detected detective detector determination determine
developed developing deviate device devices diagnostic diagnostics diary dictionary didn diet
differ differences differently differs difficult difficulty digital dimension dinner dioxide
diplomatic directed directly disallowed disaster discipline discouraged discover discoveries
discovers discrepancy discussion disease diseases dish dishes displaying displays distance
distances distant distinct distinguish distribute distributed distribution diversified diversity
divine doctor documentary documentation doesnt doing domestic done dont door dots doubt drafted
dragon drawing dream dreams drive driving drop duration dynamic dynamics eager early easy echo
economic economy ecosystem ecosystems edge editing educate education educational effect effective
effectiveness efficiency efficiently effort efforts eight either electricity electronic elegant
element eligible embark emerge emissions emit emotion emotional emotionally empathy emphasize
emphasizing employ employee employees employer empty enabling enchanted enchanting encounter
encountered encounters encryption ended endorse ends enemies enemy engaged enhance enhancements
enhances enhancing enigmatic enjoy enjoyed enough entering entertainment entirely entities entity
entry environmental environments envision equal equation equipment equipped error errors escape
especially essay essence established establishing estate estimate eternal ethereal ethicality
etiquette eval evaluating evaluation evening eventually evidence evolution evolve evolved evolving
examine except exception exceptional exchange excitement exec execution executive exercises
exhibit existence existing expand expanded expanding expectations expected expenses experienced
experiences experiencing experiment expertise experts explained explaining explains explanation
explicit explicitly exploit explorer exploring export expose exposure express expressing
expression expressions expressive extend extended extensive external extra extract extraordinary
extraterrestrial extreme extremely eyes fabric faced faces facilities facility facing fact facts
factual fail failed fails failure failures fair fall falls familiar families famous fantasy
fascinated fascinating fashion fast faster fate father fauna favor favorite fear fears feasibility
feature featured feeling feelings feels feet fell fellow felt fiction fictional field fields fight
fighting figure filled film filtering final finding findings finds fine finished fire fish fitness
fixed fixture flag flagged flags flavor flavors flexibility flexible flight floating floor flora
flower flowers flowing flying focused focusing followed foods forbidden force forces forest
forests forever forge formal formation formatted formed forming forms fossil foster fostering
foundation foundational four framework frameworks fraud freedom freely frequencies fresh friend
friends friendship front fruits fuck fuel fuels fulfill functional functionality functioning
fundamental funds funny furniture fusion futuristic gain gained games gaming garden gardener
gathering gaze gender generated generates generating generation generations genre gentle gentlemen
gently genuine genuinely geographical gestures gets getting gives giving global globally glow gods
goes gold golden governance government gracefully gracias gradually grammatically grand
grandmother grant granting grants graphic gratitude gravitational gravity greater greatly
greenhouse greeting ground groundbreaking grounds groups grow growing grown guard guarded guests
guided guiding habitat habitats habits hack hair half hand handles handling hands happen happened
happens happiness happy hard harmless harmonious harmony harness harnessing harsh hate having head
heads heal healing healthcare healthier hear heard heart hearts heat heavy heights held
heliocentric helped helpfulness heritage hero hide hiding hieroglyphs higher highest highlight
highlighting highly hint hiring historic hobby hold holds homes honest honesty honor host hostile
hotel hour hours house hues humble humor hurricane hurt hygiene hypothetical iconic idea ideal
identified identifying identity ignored ignores images imagination immediate immense immerse
immoral immune immunity impacted implementation implemented implications impressions impressive
improvement improvements improving inappropriate incident included inclusive income incorporate
incorporating increase increased increasing increasingly incredible incredibly independent index
indexes indicate indicates indicating individuals industries industry inequality inflation
influence influenced info inform informative informed ingredients inhabitants inhumane inner
innovation innovations innovative inputs inside insights inspiration inspire inspired inspiring
instability installed instance instincts instruct instructed insulation insurance integers
integration intellectual intelligent intended intense intent intention intentions interact
interaction interactions interconnected interest interested interesting interests intergalactic
internally interpret interpretation interstellar interview intricate intriguing introduce
introduction invaluable invented invention inventor inventory invest investigate investigating
investigation investing investments invisible invitation involve involved involves involving
irrelevant island islands isolation issue istruzioni jobs join joint journalist judge judgment
justice keeping keeps keyboard kind kindness kingdom kingdoms kitchen knight knowing knowledgeable
label labor lack laid lake lambda land landed landing lands landscape landscapes lang larger
largest lasting late later layer layers leaders leadership leading leads learned least leave
leaves leaving lecture left legacy legality legendary length less lesson lessons levels library
lies lifestyle lifetime lifted lighting lights likely limited limiting lines liquid listen lists
literature little live lives load locate located location locations lock logic login logs longest
looks lose loss loved lower loyalty luminescent lunch lush machines magic magnificent maintains
major manage managed manager managing mandatory manipulate manipulation manner manual marine
marked marks marvel mass massive master masterpiece mastery match material materials math matters
meal meals mean meaningful meant measure mechanism mechanisms medical medication medicine medieval
meetings meets member members memorable memories mention mentioned mentioning menu merely merged
mesmerizing method methods meticulous meticulously metrics microgravity microservices migration
miles milestones military minds mine minerals minimal minimize minor minutes missing mission
mistake mistakes mitigate mixed mixture moderate modify moment moments monitoring month monumental
moon morality morally morals motion motivated motivation mountain mouth move movement movements
movies moving much muscle museum mutual mysterious mystery mystical mythical mythology names
narrative nation nations native naturally navigate navigating navigation near nearby nearest
negative negotiate negotiator neighbor neighbors networking neutral newly news nice night node
noise normally norms notes notice noticed novel nuanced nuclear numbers numerous nutrients object
objects observation observations observe observed observing occasionally occurred occurs ocean
oceans offensive offering offers office officer official omitting ones onto opened opening opens
operate operating operation operations operator opinion opinions opportunities opportunity
opposite optimization optimize option options oracle orbit orchestra organic organization
organizations organize organized ourselves outcome outcomes outdated outline outlines outputs
outputting outside overcome overcoming overrides overwhelmed overwhelming owner oxygen pages
pagination pain painting palace panels paper parallel parent parents park parrot participant
particles particular particularly partner partners party pass passed passes passion pasta path
patience patient patients pattern peace peaceful peculiar penetration perceive perfect performing
periods personality perspective persuasive phase phases phenomenon philosopher philosophical
philosophy phoenix phone photos photosynthesis phrases phrasing physical pick piece pieces pilot
pipeline pirate pivotal placed places planets planner platform platforms played player playing
plays plot policing polite politely pollution popular population portfolio pose position positions
possess possibility possibly posted potentially potion pour powered powers practical practice
precious precise precision predicting predictions prefer preferences preparation prepare prepared
preparing presence presentation presents preserve preserving president press pressure pretending
preventing prevents previously prey price prices primarily primary principal principle prioritize
priority privacy probability probably problem problems procedures proceed processes processing
produce produced produces products professionals professor profile profound programmer programs
projections projects prominent promising promote promotes promoting prompted properly properties
property propose proposed propulsion prosperity protagonist protection protective protein proud
proves provides prowess psychological publication published pull pursue pursuit push pushing
puzzle quarter quarterly queries quest queues quick quickly quite quotation quote quotes race
radiation radioactivity rain rainforest raise raised raises random range rapid rapidly rare rates
rather reach reached reaching reaction reactions reader readers reading reads realistic reality
realize really realm reasonable reasoning recall receive recent recently recipe recognition
recognize recommendation record records recovery recursion recycle recycling reduces reducing
reefs reflect reflecting reflection reflects refusals refuses regarding regards regex region
regions regular regulate regulations reign reject rejected rejection related relation relations
relationship relationships relaxation release released releases relevant reliability reliable
reliance relief religious rely relying remain remaining remains remarkable remind reminder remote
removed repeating replaced replacing replicas replies reports represent representatives represents
requested requirements rescue researcher researchers resembling reset residents resilience
resistance resolution resolve resolved resolving resource respectful responding responsibilities
responsibility responsible restart restaurant restore restrictive resulting retirement returned
returning returns revealed reveals revenue reviewer reviews revolutionized revolves reward rich
rights rise risks rituals robots robust roles romantic rotation route routine royal ruler running
sacred safely salary sample satisfaction satisfied save scale scan scanner scenarios scene
schedule scheduled school schools scientific scientist scope score screen seamless seamlessly
seasoned secrecy section sections securing seeds seeing seek seeking seeks seem seems seen
selection sensitive sentences sentient separate separated sequence series serious serve served
server serves sessions sets setting several severity sexual shadows shall shape shaped shaping
shares shift shifts shimmering ship ships shoes shop shorter showcase showcasing showed shown
shows side sido sight sign signal signing silver similar simply sincerely site sitting situations
size sizes skies skill skilled skin skip slang sleep slightly slow slower slowly smaller smallest
smart smartphone smartphones smooth snacks societal societies soft soil solace soldiers solely
solid solo solution solutions solving sometimes song soon sophisticated sought soul sound sounds
spacecraft spaces spaceship span speaking speaks specialized specializes specializing specifically
specifications speech speed spells spend spending spoken sports spread square stability stable
stack staff stage stages stakeholders stand standards standing stands star stars starting starts
startup statement statements stir stirring stock stocks storage store stories storm strain
stranded strange strategic streaming street strength strengthen strengths stress stretch strict
strike strings strive stronger struggle struggles struggling student students studies study styles
subsequent subtle success successful successfully sudden suffering suggestions suggests suit
suitable summer sunlight superhero supplies supply supporting supports supposed suppress surface
surprise surprising surrounded surrounding surroundings surveys survival survive suspended
suspicious sustainability swear sweet swimming sword symbol symbols symphony symptoms table tables
taken takes tale talk talking tall target tasked taste teach teacher teaching teams teamwork
technical technique technological technologies teeth telescope tells temperature temperatures
template temporarily temporary tense tension term terms terrain territory testament tested texts
texture theater themes theoretical thinking thorough thread threat threats thrive throughout
ticket timeline timing tiny titles tolerance tone took topic topics touch tour tourists towards
town toxic track tracking tracks trade tradeoffs trading traditional traditions traffic tragic
trailing train traits transform transformation transformed transition translated translating
translator transmission transmit transparent transportation traps traveler travelers traveling
travels treacherous treasure treat treatment treatments tree trees trends trial tries trigger
triggers trip troops truth turmoil turn turning tutor tutorial twice twist types typically
ultimate ultimately unbiased uncertainty uncharted underlying underwater unethical unexpected
unhelpful unicorn unit units unity universal unknown unprecedented unread unusual unwavering
upcoming updates uppercase urban usage useful usual usually utilizing utmost valid validate
validation valuable value variation variety vast vegetables vehicle venture verdict verification
verified verify versus vertical vibrant victory video view views village villagers villain
violates violence violent virtual visible vision visiting visitor visitors visual vital vocabulary
voice vulnerabilities vulnerability vulnerable wait wake walk walking wall walls wanted warm warn
wasn waste watch watching weak weakened weaknesses wealth wedding week weekend weeks weight
wellbeing went whose wide widely widespread wildlife willing wind window wisdom wise wish witness
witnessed wizard wizards woman women wonder wondrous wood workplace workshop worlds worldwide
worried worse worth writer writes written wrong wrote zero zone
"""
OTHERS = tuple(_OTHERS.split())
