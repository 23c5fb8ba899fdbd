# ruff: noqa: E501 - a thing is one line, wide letters count twice
"""Our own words for what the drawings show, in nine other languages, so that their scenes are pictured too.

One line a thing: the drawings' own word | es | fr | de | it | pt | ru | ar | ja | zh, several words apart by spaces.
"""

LANGUAGES = ("es", "fr", "de", "it", "pt", "ru", "ar", "ja", "zh")

TONGUES = """
cat | gato gatito felino | chat félin | katze | gatto | gato | кошка кот | قطة قط | 猫 ネコ | 猫
purr | ronroneo ronronear | ronronner ronronnement | schnurren | fusa | ronronar | мурлыкать | خرخرة | ゴロゴロ 喉を鳴らす | 呼噜
dog | perro cachorro | chien | hund | cane | cão cachorro | собака | كلب | 犬 イヌ | 狗
horse | caballo | cheval chevaux | pferd | cavallo | cavalo | лошадь конь | حصان | 馬 | 马
cow | vaca | vache | kuh kühe | mucca | vaca | корова | بقرة | 牛 | 牛
mouse | ratón | souris | maus mäuse | topo | camundongo | мышь | فأر | ネズミ | 老鼠
elephant | elefante | éléphant | elefant | elefante | elefante | слон | فيل | 象 | 大象
bird | pájaro ave | oiseau | vogel vögel | uccello | pássaro | птица | طائر طيور عصفور | 鳥 | 鸟
fish | pez peces pescado | poisson | fisch | pesce | peixe | рыба | سمكة أسماك | 魚 | 鱼
whale | ballena | baleine | wal | balena | baleia | кит | حوت | 鯨 クジラ | 鲸
octopus | pulpo | pieuvre poulpe | oktopus tintenfisch | polpo | polvo | осьминог | أخطبوط | タコ 蛸 | 章鱼
bee | abeja | abeille | biene | ape | abelha | пчела | نحلة نحل | 蜂 ミツバチ | 蜜蜂
insect | insecto | insecte | insekt | insetto | inseto | насекомое | حشرة حشرات | 虫 昆虫 | 昆虫
butterfly | mariposa | papillon | schmetterling | farfalla | borboleta | бабочка | فراشة | 蝶 | 蝴蝶
bat | murciélago | chauve-souris | fledermaus fledermäuse | pipistrello | morcego | летучая | خفاش | コウモリ | 蝙蝠
snake | serpiente | serpent | schlange | serpente | serpente cobra | змея | ثعبان أفعى | 蛇 | 蛇
wolf | lobo | loup | wolf wölfe | lupo | lobo | волк | ذئب | 狼 | 狼
bear | oso | ours | bär | orso | urso | медведь | دب | 熊 | 熊
lion | león | lion | löwe | leone | leão | лев | أسد | ライオン | 狮子
dinosaur | dinosaurio | dinosaure | dinosaurier | dinosauro | dinossauro | динозавр | ديناصور | 恐竜 | 恐龙
flower | flor | fleur | blume blüte | fiore | flor | цветок | زهرة أزهار | 花 | 花
tree | árbol árboles | arbre | baum bäume | albero | árvore | дерево | شجرة أشجار | 木の 樹木 | 树木 树
leaf | hoja | feuille | blatt blätter | foglia | folha | лист | ورقة أوراق | 葉 | 叶子
forest | bosque selva | forêt | wald wälder | foresta bosco | floresta | лес | غابة | 森 | 森林
plant | planta | plante | pflanze | pianta | planta | растение | نبات نبتة | 植物 | 植物
seed | semilla | graine | samen | seme | semente | семя | بذرة بذور | 種 | 种子
fruit | fruta | fruit | obst frucht | frutta | fruta | фрукт | فاكهة فواكه | 果物 果実 | 水果
apple | manzana | pomme | apfel äpfel | mela | maçã | яблоко | تفاح | りんご リンゴ | 苹果
mushroom | hongo seta | champignon | pilz | fungo | cogumelo | гриб | فطر | キノコ | 蘑菇
bread | pan masa | pain | brot teig | pane | pão | хлеб | خبز | パン | 面包
cheese | queso | fromage | käse | formaggio | queijo | сыр | جبن | チーズ | 奶酪
milk | leche | lait | milch | latte | leite | молоко | حليب | 牛乳 ミルク | 牛奶
meat | carne | viande | fleisch | carne | carne | мясо | لحم | 牛肉 豚肉 | 肉类
egg | huevo | œuf oeuf | ei eier | uovo | ovo | яйцо | بيضة بيض | 卵 | 鸡蛋
rice | arroz | riz | reis | riso | arroz | рис | أرز | 米 ご飯 | 米饭
salt | sal salado | sel salé | salz salzig | sale salato | sal salgado | соль | ملح مالح | 塩 | 盐
sugar | azúcar | sucre | zucker | zucchero | açúcar | сахар | سكر | 砂糖 | 糖
chocolate | chocolate cacao | chocolat cacao | schokolade kakao | cioccolato | chocolate | шоколад | شوكولاتة | チョコレート | 巧克力
honey | miel | miel | honig | miele | mel | мёд мед | عسل | 蜂蜜 | 蜂蜜
coffee | café cafeína | café caféine | kaffee koffein | caffè caffeina | café cafeína | кофе кофеин | قهوة بن كافيين | コーヒー カフェイン | 咖啡
tea | té | thé | tee | tè | chá | чай | شاي | お茶 紅茶 | 茶
cup | taza | tasse | tasse | tazza | xícara | чашка | فنجان كوب | カップ | 杯子
wine | vino | vin | wein | vino | vinho | вино | نبيذ | ワイン | 葡萄酒
water | agua | eau eaux | wasser | acqua | água | вода | ماء مياه | 水 | 水
drink | beber bebida | boire boisson | trinken getränk | bere bevanda | beber bebida | пить | شرب نشرب اشرب | 飲 | 喝
eat | comer comida | manger | essen | mangiare | comer | есть еда | طعام أكل | 食べ | 吃
sea | mar océano | mer océan | meer ozean | mare oceano | mar oceano | море океан | بحر محيط | 海 | 海
wave | ola oleaje | vague | welle | onda | onda | волна | موجة أمواج | 波 | 波浪
river | río | rivière fleuve | fluss flüsse | fiume | rio | река | نهر أنهار | 川 | 河流
rain | lluvia | pluie | regen | pioggia | chuva | дождь | مطر أمطار | 雨 | 雨
snow | nieve | neige | schnee | neve | neve | снег | ثلج ثلوج | 雪 | 雪
ice | hielo | glace | eis | ghiaccio | gelo | лёд лед | جليد | 氷 | 冰
wind | viento | vent | wind | vento | vento | ветер | ريح رياح | 風 | 风
storm | tormenta | tempête orage | sturm | tempesta | tempestade | буря гроза | عاصفة | 嵐 | 风暴
cloud | nube | nuage | wolke | nuvola | nuvem | облако | سحابة سحاب | 雲 | 云
sky | cielo | ciel | himmel | cielo | céu | небо | سماء | 空は 空が 空の 青空 | 天空
sun | sol | soleil | sonne | sole | sol | солнце | شمس | 太陽 | 太阳
moon | luna | lune | mond | luna | lua | луна | قمر | 月は 月の 月が 満月 | 月亮
star | estrella | étoile | stern sterne | stella | estrela | звезда | نجمة نجوم | 星 | 星星
space | espacio cosmos | espace cosmos | weltraum weltall | spazio | espaço | космос | فضاء | 宇宙 | 宇宙 太空
earth | tierra planeta | terre planète | erde planet | terra pianeta | terra planeta | земля планета | أرض كوكب | 地球 | 地球
night | noche | nuit | nacht nächte | notte | noite | ночь | ليل | 夜 | 夜
fire | fuego | feu flamme | feuer flamme | fuoco | fogo | огонь | نار | 火 | 火焰
mountain | montaña | montagne | berg berge | montagna | montanha | гора | جبل جبال | 山 | 山
rock | roca piedra | roche rocher pierre | fels stein | roccia pietra | rocha pedra | камень скала | صخرة صخور حجر | 岩 石 | 岩石 石头
volcano | volcán volcanes | volcan | vulkan | vulcano | vulcão vulcões | вулкан | بركان براكين | 火山 | 火山
desert | desierto | désert | wüste | deserto | deserto | пустыня | صحراء | 砂漠 | 沙漠
beach | playa | plage | strand | spiaggia | praia | пляж | شاطئ | 浜辺 ビーチ | 海滩
island | isla | île | insel | isola | ilha | остров | جزيرة | 島 | 岛
lamp | lámpara | lampe | lampe | lampada | lâmpada | лампа | مصباح | ランプ | 灯
candle | vela | bougie | kerze | candela | vela | свеча | شمعة | ろうそく | 蜡烛
ship | barco buque | navire bateau | schiff | nave | navio | корабль | سفينة سفن | 船 | 船
lighthouse | faro | phare | leuchtturm leuchttürme | faro | farol | маяк | منارة | 灯台 | 灯塔
house | casa | maison | haus häuser | casa | casa | дом | بيت منزل | 家 | 房子
building | edificio | bâtiment immeuble | gebäude | edificio | edifício prédio | здание | مبنى بناية | 建物 ビル | 建筑
city | ciudad | ville | stadt städte | città | cidade | город | مدينة مدن | 都市 街 | 城市
castle | castillo | château | burg schloss | castello | castelo | замок | قلعة | 城 | 城堡
school | escuela | école | schule | scuola | escola | школа | مدرسة | 学校 | 学校
car | coche automóvil | voiture | auto | automobile | carro | машина | سيارة | 車 自動車 | 汽车
train | tren | train | zug züge | treno | trem | поезд | قطار | 電車 列車 | 火车
airplane | avión | avion | flugzeug | aereo | avião | самолёт самолет | طائرة | 飛行機 | 飞机
rocket | cohete | fusée | rakete | razzo | foguete | ракета | صاروخ | ロケット | 火箭
brain | cerebro | cerveau | gehirn | cervello | cérebro | мозг | دماغ مخ | 脳 | 大脑
heart | corazón | cœur coeur | herz herzen | cuore | coração | сердце | قلب | 心臓 心は 心も 心を | 心脏
bone | hueso | squelette | knochen | osso ossa | osso | кость | عظم عظام | 骨 | 骨头
muscle | músculo | muscle | muskel | muscolo | músculo | мышца | عضلة عضلات | 筋肉 | 肌肉
blood | sangre | sang | blut | sangue | sangue | кровь | دم | 血液 | 血液
eye | ojo | œil yeux | auge | occhio | olho | глаз | عين عيون | 目が 目を | 眼睛
ear | oreja oído | oreille | ohr | orecchio | orelha ouvido | ухо | أذن | 耳 | 耳朵
hand | mano | main | hand hände | mano | mão | рука | يد | 手で 手を | 手
person | persona gente humano | personne humain | mensch menschen | persona | pessoa | человек люди | إنسان ناس شخص | 人の 人が 人は 人々 | 人们
child | niño niña | enfant | kind kinder | bambino | criança | ребёнок дети | طفل أطفال | 子供 子ども | 孩子
baby | bebé | bébé | baby | neonato | bebê | младенец | رضيع | 赤ちゃん | 婴儿
family | familia | famille | familie | famiglia | família | семья | عائلة أسرة | 家族 | 家庭
king | rey | roi | könig | re | rei | король | ملك | 王 | 国王
soldier | soldado | soldat | soldat | soldato | soldado | солдат | جندي جنود | 兵士 | 士兵
doctor | médico | médecin | arzt ärzte | medico | médico | врач | طبيب | 医者 医師 | 医生
scientist | científico | scientifique savant | wissenschaftler forscher | scienziato | cientista | учёный ученый | عالم علماء | 科学者 研究者 | 科学家
sleep | sueño dormir duerme | sommeil dormir | schlaf schlafen | sonno dormire | sono dormir | сон спать | نوم نعاس | 睡眠 眠 | 睡眠 睡觉
wake | despertar despierta | réveil réveiller | wach aufwachen | sveglia | acordar | просыпаться | توقظ يوقظ استيقظ | 目覚め 起き | 醒
tired | cansancio cansado | fatigue fatigué | müde | stanco stanchezza | cansado cansaço | усталость | تعب متعب | 疲れ | 疲劳
energy | energía | énergie | energie | energia | energia | энергия | طاقة | エネルギー | 能量
electricity | electricidad | électricité | strom elektrizität | elettricità | eletricidade | электричество | كهرباء | 電気 | 电
sound | sonido | son bruit | klang geräusch | suono | som | звук | صوت | 音 | 声音
vibration | vibración | vibration | vibration schwingung | vibrazione | vibração | вибрация | اهتزاز | 振動 | 振动
music | música | musique | musik | musica | música | музыка | موسيقى | 音楽 | 音乐
speak | hablar lengua voz | parler langue voix | sprechen sprache stimme | parlare lingua voce | falar língua voz | язык голос | لغة كلام | 言葉 話 | 语言
listen | oír escuchar | écouter entendre | hören | ascoltare | ouvir | слушать | يسمع استمع | 聞 | 听
calm | calma tranquilo | calme | ruhe ruhig | calma | calma | спокойствие | هدوء | 安心 落ち着 静か | 平静
pain | dolor | douleur | schmerz | dolore | dor | боль | ألم | 痛い 痛み | 疼痛
fear | miedo | peur | angst | paura | medo | страх | خوف | 怖い 恐れ | 恐惧
love | amor | amour | liebe | amore | amor | любовь | حب | 愛 | 爱情
medicine | medicina | médicament | medizin | medicina | remédio | лекарство | دواء | 薬 | 药
time | tiempo hora | temps heure | zeit stunde uhr | tempo ora | tempo hora | время час | وقت ساعة ساعات | 時間 | 时间
clock | reloj | horloge montre | uhr | orologio | relógio | часы | ساعة | 時計 | 时钟
money | dinero | argent monnaie | geld | denaro soldi | dinheiro | деньги | مال نقود | お金 金銭 | 钱
gold | oro | dorure | gold | oro | ouro | золото | ذهب | 黄金 | 黄金
book | libro | livre | buch bücher | libro | livro | книга | كتاب كتب | 本を 本は 書物 | 书
history | historia | histoire | geschichte | storia | história | история | تاريخ | 歴史 | 历史
war | guerra | guerre | krieg | guerra | guerra | война | حرب | 戦争 | 战争
law | ley justicia | loi justice | gesetz recht | legge | lei | закон | قانون | 法律 | 法律
computer | ordenador computadora | ordinateur | computer | computer | computador | компьютер | حاسوب | コンピュータ | 电脑
robot | robot | robot | roboter | robot | robô | робот | روبوت | ロボット | 机器人
phone | teléfono móvil | téléphone | telefon handy | telefono | telefone celular | телефон | هاتف | 電話 スマホ | 手机
camera | cámara | appareil | kamera | fotocamera | câmera | камера | كاميرا | カメラ | 相机
glass | vidrio cristal | verre | glas | vetro | vidro | стекло | زجاج | ガラス | 玻璃
lens | lente | lentille | linse | lente | lente | линза | عدسة | レンズ | 镜头
art | arte pintura | art peinture | kunst gemälde | arte pittura | arte pintura | искусство | فن لوحة | 芸術 絵 | 艺术
cell | célula | cellule | zelle | cellula | célula | клетка | خلية خلايا | 細胞 | 细胞
bacteria | bacteria | bactérie | bakterie | batterio batteri | bactéria | бактерия | بكتيريا | 細菌 | 细菌
virus | virus | virus | virus viren | virus | vírus | вирус | فيروس | ウイルス | 病毒
mineral | mineral | minéral minéraux | mineral mineralien | minerale | mineral minerais | минерал | معدن معادن | 鉱物 | 矿物
swim | nadar flota | nager flotter | schwimmen | nuotare | nadar | плавать | يسبح سباحة | 泳 | 游泳
grow | crecer | pousser croissance | wachsen wachstum | crescere | crescer | расти | نمو | 成長 | 生长
"""
