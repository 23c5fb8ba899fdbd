"""Our own keywords for illustrations of living things, food and places: no name says that a hive means a bee.

One line an illustration: its short name in emoji-data | the name we show, when the short one reads badly | words that
ask for it. A shown name that starts with `!` is used only when one of its words is (delicate subjects).
"""

LIVING = """
cat2 | cat | feline kitten purr meow whisker pet tabby
black_cat | | feline shadow superstition
smile_cat | smiling cat | purr content happy feline
cat | cat face | kitten feline whisker
feet | paw prints | paw track animal pet claw
dog2 | dog | puppy canine bark pet hound loyal
dog | dog face | puppy pet canine
poodle | | dog breed
wolf | | howl pack wild canine
fox_face | fox | sly cunning
lion_face | lion | pride roar savanna king predator mane
tiger2 | tiger | stripe predator jungle
leopard | | cheetah spots fast predator
horse | horse face | pony
racehorse | horse | gallop pony ride stallion mane
unicorn_face | unicorn | magic startup mythical fantasy
zebra_face | zebra | stripe savanna
deer | | antler forest stag
bison | | buffalo prairie
cow2 | cow | cattle milk dairy farm beef
ox | | bull plough
pig2 | pig | hog farm pork
sheep | | wool lamb flock
goat | | kid billy
camel | | desert hump caravan dromedary
llama | | alpaca andes
giraffe_face | giraffe | neck tall savanna
elephant | | trunk tusk ivory herd memory
mammoth | | ice age extinct
rhinoceros | | horn
hippopotamus | hippo | river
mouse2 | mouse | rodent
rat | | rodent plague
hamster | | rodent pet
rabbit2 | rabbit | bunny hare
chipmunk | | squirrel acorn
beaver | | dam
hedgehog | | spines
bat | | cave echolocation nocturnal
bear | | grizzly hibernate hibernation
polar_bear | | arctic ice north
koala | | eucalyptus australia
panda_face | panda | bamboo china
sloth | | slow lazy
otter | | river playful
kangaroo | | australia pouch hop
monkey | | ape primate banana chimp chimpanzee
gorilla | | ape primate
orangutan | | ape primate
rooster | | cock crow dawn
chicken | | hen poultry
hatching_chick | | hatch birth begin egg
bird | | songbird sparrow tweet sing migrate migration
penguin | | antarctic antarctica emperor ice
eagle | | hawk falcon raptor soar
duck | | pond quack
swan | | lake grace elegant
owl | | night wise wisdom nocturnal hoot
flamingo | | pink wading
peacock | | display plumage
parrot | | talk mimic tropical
dodo | | extinct extinction
feather | | light plume quill
frog | | toad amphibian tadpole pond
crocodile | | alligator reptile swamp
turtle | | tortoise shell slow reptile
lizard | | gecko chameleon reptile salamander
snake | | serpent venom python cobra reptile
dragon | | myth legend fantasy
sauropod | | dinosaur fossil jurassic extinct extinction prehistoric
t-rex | tyrannosaurus | dinosaur fossil predator jurassic extinct extinction prehistoric
whale2 | whale | ocean sea giant mammal blue
dolphin | | sea intelligent mammal porpoise
seal | | sea mammal
fish | | swim sea cod salmon tuna
tropical_fish | | reef aquarium clownfish
blowfish | | puffer
shark | | predator sea fin jaws
octopus | | tentacle arm sea cephalopod sucker invertebrate mollusc
squid | | tentacle cephalopod ink
crab | | claw shell
lobster | | claw
shrimp | | prawn krill
shell | seashell | spiral beach sea
coral | | reef
jellyfish | | medusa sting tentacle
snail | | slow shell
butterfly | | caterpillar metamorphosis transform transformation wing moth cocoon
bug | caterpillar | insect larva
ant | | colony insect
bee | honeybee | bee hive pollen pollinate pollination honey waggle insect swarm nectar beekeeper
beetle | | insect
ladybug | | ladybird insect
cricket | | grasshopper insect
cockroach | | insect pest
spider | | web arachnid silk
spider_web | | web network silk trap
scorpion | | sting desert
mosquito | | bite malaria insect
fly | | insect
worm | | soil earthworm
microbe | | germ bacteria bacterium virus infection cell microorganism immune gut antibiotic
bouquet | | flower gift
cherry_blossom | | spring japan sakura bloom
rose | | flower romance love petal thorn
hibiscus | | flower tropical
sunflower | | flower summer seed
blossom | | flower bloom
tulip | | flower
lotus | | calm meditation flower
seedling | sprout | grow growth plant seed begin start new young green sustainable
potted_plant | | houseplant indoor
evergreen_tree | | pine fir conifer forest wood
deciduous_tree | tree | forest oak wood trunk root
palm_tree | | tropical island beach
cactus | | desert succulent
ear_of_rice | grain | rice wheat harvest crop field agriculture cereal
herb | | plant leaf medicine basil
four_leaf_clover | | luck lucky chance
maple_leaf | | autumn canada fall
fallen_leaf | | autumn fall season
leaves | | leaf wind plant photosynthesis chlorophyll
mushroom | | fungus fungi spore
grapes | | wine vineyard
lemon | | citrus sour vitamin
banana | | fruit potassium
apple | red apple | fruit newton gravity teacher health
peach | | fruit
cherries | | fruit
strawberry | | fruit berry
blueberries | | fruit berry antioxidant
tomato | | sauce fruit
avocado | | toast
potato | | starch tuber
carrot | | vegetable eyesight
corn | | maize
hot_pepper | | chili spicy capsaicin heat
garlic | | clove
onion | | cry layers
bread | | loaf bake baker bakery yeast wheat flour dough toast
croissant | | pastry france bakery breakfast
baguette_bread | baguette | france bakery
pretzel | | snack
pancakes | | breakfast syrup
cheese_wedge | cheese | dairy milk
meat_on_bone | meat | protein hunt roast
hamburger | | burger fast food junk
fries | | chips fast food
pizza | | italy slice cheese
taco | | mexico
egg | | protein shell
fried_egg | | breakfast cook pan
green_salad | salad | vegetable healthy diet lettuce
popcorn | | movie cinema snack
salt | | sodium season shaker
rice | | bowl asia
ramen | | noodle soup
spaghetti | | pasta italy
sushi | | japan raw
icecream | ice cream | dessert sweet cone summer
doughnut | | donut sweet sugar
cookie | | biscuit sweet
cake | | dessert slice
birthday | birthday cake | celebrate anniversary candle age
chocolate_bar | chocolate | cocoa cacao sweet dark
candy | | sugar sweet
honey_pot | | honey sweet jar bee
glass_of_milk | milk | dairy calcium
mate_drink | mate | yerba
coffee | coffee cup | coffee caffeine espresso cafe barista latte morning wake bean brew
tea | teacup | tea brew leaf
teapot | | tea brew
wine_glass | | wine red alcohol vineyard
beer | | ale pub alcohol brew
champagne | | celebrate bottle
tropical_drink | | holiday cocktail
cup_with_straw | | soda juice drink
bubble_tea | | boba
ice_cube | ice | cold frozen freeze melt
spoon | teaspoon | spoon stir tablespoon
fork_and_knife | | eat meal dinner cutlery restaurant
knife_fork_plate | plate | meal dinner restaurant diet
amphora | | ancient greece greek rome roman romans pottery vase archaeology egypt
jar | | container preserve
earth_africa | earth | world planet globe africa europe
earth_americas | globe | world planet america earth
earth_asia | asia | world planet earth globe
globe_with_meridians | network globe | internet web global online
world_map | | travel geography country explore continent
compass | | direction navigate navigation north explore orientation magnetic
snow_capped_mountain | snowy mountain | mountain peak summit alps everest climb
mountain | | peak hill summit rock cliff
volcano | | eruption lava magma erupt crater
mount_fuji | | japan
camping | | tent outdoors
beach_with_umbrella | beach | sand holiday coast shore
desert | | sand dune dry sahara arid pyramid egypt egyptian
desert_island | | island alone tropical
national_park | | park valley landscape river
stadium | | arena crowd colosseum sport
classical_building | | museum temple ancient greece greek rome roman romans parliament senate empire government
building_construction | crane | build construction
bricks | | brick wall build
rock | | stone geology mineral boulder
wood | | log timber lumber
hut | | village primitive
house | | home family household
house_with_garden | | home garden suburb
office | office building | company work corporate business
hospital | | patient medical clinic
bank | | finance loan money saving savings interest deposit
school | | education class pupil
factory | | industry industrial manufacture pollution
japanese_castle | | japan samurai
european_castle | castle | medieval knight fortress king kingdom palace middle ages
tokyo_tower | tower | antenna
statue_of_liberty | | new york america freedom liberty
fountain | | water park
tent | | camping
foggy | | mist city
night_with_stars | starry night | night sky star city
cityscape | city | skyline urban building
sunrise_over_mountains | sunrise | dawn morning mountain
sunrise | sunrise at sea | dawn morning horizon
city_sunset | | sunset evening dusk city
bridge_at_night | bridge | cross river
ferris_wheel | | fair fun
roller_coaster | | ride thrill
circus_tent | circus | show
steam_locomotive | steam train | train railway locomotive industrial revolution
bullettrain_side | high-speed train | train rail fast shinkansen
metro | | subway underground train commute
bus | | transport commute
ambulance | | emergency rescue
fire_engine | | firefighter rescue
racing_car | | race formula fast speed
taxi | | cab city
car | red car | car drive automobile vehicle road
blue_car | | car drive vehicle
truck | | lorry delivery transport
tractor | | farm farmer field agriculture
bike | bicycle | cycle pedal ride
scooter | | ride
motorway | | highway road route path journey
oil_drum | | oil petroleum barrel fossil fuel
fuelpump | fuel pump | petrol gasoline fuel
traffic_light | | stop signal
construction | barrier | block obstacle
anchor | | ship harbour stable
boat | sailboat | sail ship wind voyage
canoe | | paddle river
ship | | voyage vessel cargo titanic ocean
airplane | | plane flight fly travel jet aviation
parachute | | fall jump
helicopter | | fly rescue
satellite | satellite in orbit | orbit space signal gps
rocket | | launch space startup spaceship nasa growth boost mission
flying_saucer | ufo | alien extraterrestrial
luggage | suitcase | travel trip holiday
"""
