"""Our own keywords for illustrations of things, people, weather and signs; illustrations_living.py tells the format."""

THINGS = """
hourglass_flowing_sand | hourglass | time wait patience deadline sand
watch | | time wrist
alarm_clock | | wake morning time early alarm clock
stopwatch | | timer seconds fast quick race
mantelpiece_clock | clock | hour time antique
clock3 | round clock | hour time schedule minute
new_moon | | eclipse dark
full_moon | moon | lunar night tide
crescent_moon | | night sleep moon lunar dream
sunny | sun | solar light day heat summer sunlight warm bright
sun_with_face | smiling sun | summer solar
ringed_planet | saturn | planet ring space solar system jupiter
star | | shine rating favourite neutron
star2 | glowing star | shine sparkle neutron stellar
stars | shooting star | wish meteor night sky
milky_way | | galaxy universe space cosmos stars astronomy cosmic black hole
comet | | asteroid meteor meteorite space tail
cloud | | sky weather vapour
thunder_cloud_and_rain | storm cloud | storm thunder weather lightning
rain_cloud | | rain weather
tornado | | storm twister wind hurricane
cyclone | | hurricane spiral typhoon
wind_blowing_face | wind | breeze blow air
rainbow | | colour spectrum hope
umbrella_with_rain_drops | umbrella | rain protect insurance
zap | lightning bolt | electric electricity energy power voltage charge fast neuron
snowflake | | winter cold frozen ice crystal
snowman | | winter snow
fire | | flame burn hot heat blaze metabolism
droplet | water drop | water liquid drink moisture hydrate hydration rain tear
ocean | wave | sea ocean water surf tide tsunami deep
thermometer | | temperature fever heat degree climate warming
jack_o_lantern | | halloween pumpkin
christmas_tree | | christmas holiday
fireworks | | celebrate explosion new year
sparkles | | magic shine new clean special
balloon | | party air helium
tada | party popper | celebrate success win congratulation
gift | | present reward
trophy | | win winner champion award success prize
first_place_medal | gold medal | win first olympic best
medal | | honour soldier
soccer | football | goal match worldcup
basketball | | hoop nba dunk
baseball | | pitcher pitch
tennis | | racket match serve
golf | | hole club
boxing_glove | | fight punch
dart | target | goal aim focus bullseye objective precise accuracy
fishing_pole_and_fish | fishing rod | fish catch angler
ski | | snow slope winter
curling_stone | curling | ice sport
ice_skate | | rink winter
kite | | wind fly
crystal_ball | | future predict prediction fortune magic
magic_wand | | spell trick wizard
video_game | | gaming console play gamer controller
game_die | die | dice chance random luck probability gamble
jigsaw | puzzle piece | puzzle solve problem fit missing mystery
teddy_bear | | toy childhood comfort
chess_pawn | | chess strategy game tactic
performing_arts | theatre masks | theatre drama emotion actor shakespeare
frame_with_picture | framed picture | art painting gallery museum
art | palette | paint colour artist painting creative creativity
thread | | sew stitch
yarn | | wool knit cat
knot | | rope tie complicated
eyeglasses | | vision read see
goggles | | lab swim
lab_coat | | scientist doctor
necktie | | business formal
shirt | | clothes fashion cotton
jeans | | denim trousers
dress | | fashion
athletic_shoe | running shoe | run sneaker exercise step walk
hiking_boot | | hike trail
crown | | king queen royal emperor monarch ruler power empire pharaoh
tophat | | gentleman victorian
mortar_board | graduation cap | graduate study student university learn degree education
military_helmet | | army soldier war
ring | | marriage wedding jewel
gem | | diamond jewel precious treasure crystal value
purse | | wallet spend money
school_satchel | backpack | school pupil
mute | | silence quiet
loud_sound | loudspeaker | sound volume noise loud hear vibration vibrate frequency
mega | megaphone | announce shout marketing voice
bell | | ring alert notification
musical_score | | music melody composer notes
musical_note | | music sound song melody hum purr tone
notes | musical notes | music song melody tune rhythm
studio_microphone | | podcast record voice
microphone | | sing karaoke speak speech voice
headphones | | listen music audio podcast
radio | | broadcast wave signal
guitar | | music string
musical_keyboard | piano | music keys mozart beethoven
trumpet | | jazz brass
violin | | orchestra string classical
drum_with_drumsticks | drum | beat rhythm
iphone | smartphone | phone mobile app screen scroll social media
telephone_receiver | | phone call talk
battery | | charge power energy lithium
low_battery | | tired drained exhausted empty
electric_plug | | electricity power socket
computer | laptop | code software work program online internet programmer
desktop_computer | | pc screen monitor
keyboard | | type
floppy_disk | | data storage memory
abacus | | count calculate mathematics math arithmetic number
movie_camera | | film cinema hollywood
clapper | | film movie scene action
tv | television | screen broadcast watch
camera | | photo picture photograph lens
mag | magnifying glass | search find discover detail clue research look close investigate question
candle | | light wax flame
bulb | light bulb | idea invention edison insight tip light think know
flashlight | | torch light dark
diya_lamp | oil lamp | light
notebook_with_decorative_cover | notebook | write journal diary
book | open book | read story learn study page chapter literature
books | stack of books | study library knowledge learn read
closed_book | | read novel
scroll | | ancient history document law ban decree letter
newspaper | | news headline press journalism
bookmark | | remember
moneybag | | money wealth rich dollar budget profit cash saving savings interest invest investment
coin | | money gold price cost cheap penny
dollar | banknote | money cash pay salary wage
money_with_wings | | spend money expense inflation
credit_card | | pay debt buy payment
chart | rising prices | inflation yen growth
receipt | | bill cost tax
email | envelope | mail letter message inbox
package | parcel | delivery box
mailbox | | letter post
ballot_box_with_ballot | !ballot box | vote election democracy
pencil2 | pencil | write draw graphite
lower_left_fountain_pen | fountain pen | write sign author ink
lower_left_paintbrush | paintbrush | paint art
memo | | note write list plan
briefcase | | business work job career
file_folder | folder | organise file
date | calendar | day month schedule year habit
spiral_calendar_pad | desk calendar | date week plan
chart_with_upwards_trend | rising chart | growth increase improve profit invest stock economy
chart_with_downwards_trend | falling chart | decline decrease drop loss crash recession
bar_chart | | data statistics percent compare number
clipboard | | checklist list survey
pushpin | | remember important note
round_pushpin | map pin | place location where address
straight_ruler | ruler | measure length size far distance centimetre
triangular_ruler | set square | angle geometry triangle pythagoras pyramid direction
scissors | | cut
wastebasket | bin | rubbish trash waste garbage
closed_lock_with_key | lock and key | secure privacy encryption
lock | padlock | secure security password private safe
unlock | open padlock | open free
key | | unlock secret solution important open
old_key | antique key | secret mystery
hammer | | build tool nail
axe | | chop wood
pick | | mine mining dig
hammer_and_wrench | tools | repair fix build maintain
wrench | | fix repair mechanic
shield | | protect defend defence immune safe armour
crossed_swords | !crossed swords | battle war fight duel sword gladiator
bow_and_arrow | | archer arrow shoot
hocho | !kitchen knife | knife chop
dagger_knife | !dagger | dagger stab assassin
bomb | !bomb | bomb explosive explosion
gun | !water pistol | gun pistol
gear | | machine mechanism engine work setting process system
scales | balance scales | justice balance law fair weigh weight compare
link | | connect connection chain
chains | | bound slavery prison
hook | | catch
toolbox | | tool fix
magnet | | magnetic attract attraction iron field pull
ladder | | climb step level
test_tube | | experiment chemistry lab chemical
petri_dish | | bacteria culture lab antibiotic
dna | dna helix | gene genetic heredity evolution genome inherit biology
microscope | | cell lab science tiny microscopic research biology
telescope | | astronomy observe astronomer galileo space hubble distant
satellite_antenna | satellite dish | signal broadcast transmit
alembic | | chemistry alchemy distil potion
atom_symbol | atom | physics nuclear quantum particle electron energy science molecule oxygen element
syringe | | vaccine injection blood
drop_of_blood | | blood donate vein
pill | | medicine drug tablet vitamin painkiller
adhesive_bandage | plaster | heal injury hurt
stethoscope | | doctor health heart
x-ray | | bone skeleton
bone | | skeleton fossil calcium
tooth | | dentist teeth smile enamel
brain | | mind think memory neuron psychology intelligence brain learn cognitive nerve thought
anatomical_heart | heart organ | heart blood beat pulse cardiac circulation pump
lungs | | breathe breath oxygen air
heart | | love affection like romance
heartbeat | beating heart | pulse heart beat love
sparkling_heart | | love affection
broken_heart | | grief sad breakup
eye | | see vision sight look pupil
eyes | | look watch stare see
ear | | hear listen sound larynx
nose | | smell scent breathe
tongue | | taste
muscle | flexed biceps | strong strength gym exercise power protein muscle
leg | | walk knee
foot | | step toe
footprints | | track walk step trail
writing_hand | | write author
handshake | | deal agree partner trust trade
raised_hands | | celebrate praise joy
clap | clapping hands | applause praise
pray | !folded hands | prayer pray thank
wave | waving hand | hello greet goodbye
v | !victory hand | peace
baby | | newborn infant birth child
child | | kid young childhood
adult | person | human people somebody
older_adult | | elder age old grandparent
family | | parent household children
people_holding_hands | | friends friendship together couple
busts_in_silhouette | | people crowd community social team public human society
speaking_head_in_silhouette | speaking head | talk say speak language voice tell
speech_balloon | | talk chat conversation say language word
thought_balloon | | think thought dream idea imagine
scientist | | research lab chemist einstein scientist experiment
astronaut | | space moon nasa spacewalk
teacher | | lesson class teach
student | | learn study graduate exam
farmer | | farm crop harvest
cook | chef | kitchen baker recipe
health_worker | doctor | nurse medical physician patient
judge | | court law
mechanic | | repair
factory_worker | | industry worker
office_worker | | business manager boss
technologist | programmer | code software developer computer
artist | | paint painter creative
singer | | song band
pilot | | fly airline
firefighter | | fire rescue
sleuth_or_spy | detective | mystery investigate clue crime spy
construction_worker | builder | build
guardsman | guard | soldier protect
prince | | royal king
princess | | royal queen
mage | | wizard magic
ninja | | japan stealth
runner | | run race marathon jog sprint exercise
walking | walker | walk stroll pedestrian
dancer | | dance flamenco
bicyclist | cyclist | bike cycle ride
swimmer | | swim
surfer | | surf wave
rowboat | rower | row boat
weight_lifter | | gym strength lift
person_climbing | climber | climb mountain
person_in_lotus_position | meditating person | meditate meditation calm yoga mindful relax
sleeping | sleeping face | sleep tired nap dream
zzz | | sleep snore nap rest
bed | | sleep bedroom rest
sleeping_accommodation | sleeper | sleep bed rest
thinking_face | | why wonder think question curious
exploding_head | | amazing shock mind blown
smiley | happy face | happy joy smile happiness
laughing | laughing face | laugh humour funny joke
cry | crying face | sad tear cry grief
fearful | fearful face | fear afraid anxiety
scream | screaming face | fear horror
angry | angry face | anger mad
sunglasses | cool face | cool confident
nerd_face | | smart study
robot_face | robot | ai artificial intelligence machine automation chatbot algorithm
ghost | | haunt spirit halloween
alien | | extraterrestrial space ufo
skull | !skull | skull death dead die pirate
coffin | !coffin | coffin burial buried
headstone | !headstone | grave tomb cemetery
smoking | !cigarette | cigarette tobacco smoker
boom | explosion | explode blast bang collision impact big
dash | puff of air | fast speed wind breath
dizzy | dizzy star | confused spin
hole | | black hole dark pit void
100 | hundred | perfect score percent
question | question mark | why question mystery unknown ask
warning | warning sign | danger risk caution mistake
radioactive_sign | radioactive | nuclear radiation uranium chernobyl curie
biohazard_sign | biohazard | toxic virus
recycle | recycling | recycle reuse sustainable plastic
infinity | | infinite endless forever
white_check_mark | check mark | done correct true right yes
x | cross mark | wrong false no banned ban forbidden
no_entry_sign | prohibited | ban banned forbidden
door | | open enter exit opportunity
bathtub | | bath wash
shower | | wash
toilet | | bathroom
soap | | wash clean hygiene
sponge | | absorb clean
broom | | sweep clean
toothbrush | | teeth brush
shopping_trolley | shopping cart | shop buy supermarket grocery
chair | | sit seat
couch_and_lamp | sofa | comfort home
mirror | | reflection self
window | | view glass
basket | | picnic harvest
moyai | stone statue | easter island moai
nesting_dolls | | russia layers
bamboo | | panda plant
smiling_face_with_3_hearts | loving face | love affection adore
hugging_face | hugging person | hug oxytocin comfort
church | !church | church christian cathedral
mosque | !mosque | mosque islam muslim
synagogue | !synagogue | synagogue jewish
hindu_temple | !hindu temple | hindu temple
kaaba | !kaaba | mecca kaaba
latin_cross | !cross | christian jesus
place_of_worship | !place of worship | worship prayer
prayer_beads | !prayer beads | rosary
peace_symbol | !peace symbol | peace pacifist
yin_yang | !yin yang | taoism tao
om_symbol | !om | hinduism
star_of_david | !star of david | judaism
star_and_crescent | !star and crescent | islam
"""
