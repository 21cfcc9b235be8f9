// SPDX-License-Identifier: Apache-2.0
/* A grammar of weighted rules, expanded at random.  A rule is a name and its alternatives, apart by `|`;
 * an alternative is a row of symbols, apart by spaces:
 *
 *     7*          as first symbol: the weight of this alternative (else 1)
 *     word        itself
 *     <rule>      one alternative of a rule
 *     <!rule>     the same, redrawn until the token belongs to this split
 *     <#2-60>     a number
 *     [PER ... ]  what stands between is an entity
 *     ~           no space between its neighbours
 *     @ and ^     remember the last token; the remembered token
 *     %lower %upper %caps   the case of the sentence; upper case up to the end of the entity
 *
 * A token of <!rule> belongs to the split that its hash names, so that names made from syllables never stand
 * in two splits.  The words of <both> are people, places and organisations: their neighbours tell. */
#include "data/synth.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/check.h"
#include "base/rng.h"

typedef struct RuleText {
    const char *name, *alternatives;
} RuleText;

static const RuleText rule_texts[] = {
    // ---- sentences
    {"sentence",
     "30* <report> . | 8* <quoted> | 8* <long> . | 9* <table> | 5* <dateline> | 4* <lead> <report> "
     ". | 4* %lower <headline> | 4* %upper <headline> | 2* <headline> | 2* %upper <report> . | 2* "
     "%lower <report> . | 2* <short> | <single> | <question>"},
    {"report", "10* <politics> | 10* <business> | 10* <sport> | 15* <open> | 5* <accident> | 4* "
               "<culture> | 3* <weather>"},
    {"long",
     "3* <report> , <while> <report> | 2* <report> , <while> <report> , and <report> | <report> ; "
     "<report> ; <report> | <say-per> <said> that <report> , that <report> and that <report>"},
    {"open",
     "3* <anyone> said on <day> that <news> | 2* <anyone> <open-verb> <anyone> over <issue> | "
     "<anyone> denied <rumour> | <anyone> agreed to pay <money> | talks with <anyone> ended "
     "without a <noun> | <people> wrote a letter to <anyone> | <anyone> had no comment on <rumour> "
     "| nobody expected <anyone> to win | critics of <anyone> said <news>"},
    {"anyone",
     "4* [PER <last>] | 3* [LOC <place>] | 2* [ORG <stem>] | [ORG <club>] | [ORG <acronym>]"},
    {"open-verb", "criticised | backed | attacked | thanked | warned | praised"},
    {"news", "a <noun> was near | there would be no <noun> | it was too late for a <noun> | the "
             "<noun> was safe | the plan had failed"},
    {"rumour", "reports of a <noun> | the report | the story about a <noun> | a plan for <issue>"},
    {"while", "while | after | as | but | and | although | a day after | hours before"},
    {"lead", "On <day> , | In a statement , | Earlier , | Meanwhile , | In [LOC <city>] , | "
             "According to [ORG <firm>] , | After talks in [LOC <place>] ,"},
    {"quoted", "3* \" <remark> , \" <say-per> <said> . | 2* \" <remark> , \" <said> <speaker> . | "
               "\" <remark> , \" the <nat> <official> told reporters . | \" <remark> . <remark> , "
               "\" <said> <person> , who <did-well> . | <say-per> : \" <remark> . \""},
    {"speaker", "4* <person> | 3* <title> [PER <last>] | <coach> [PER <last>] | a spokesman for "
                "[ORG <firm>] | 2* <anyone>"},
    {"say-per", "4* <person> | 3* <title> [PER <last>] | 2* <person> , the <role> of [ORG <firm>] "
                ", | <coach> [PER <last>] | a spokesman for [ORG <firm>]"},
    {"short", "<person> <verb-past> . | No comment from [ORG <firm>] . | [PER <last>] was not hurt "
              ". | Nothing new from [LOC <place>] . | He will grant the request . | The mark rose "
              ". | They like the reading of the bill . | It was a nice bath . | More soon ."},
    {"single", "Results | Scores | Standings | Correction | Stop | [LOC <place>] | [ORG <acronym>] "
               "| <#1900-2030> | <day> | ***"},
    {"question",
     "Who is <person> ? | What will [ORG <firm>] do next ? | Why did [PER <last>] leave [ORG "
     "<club>] ? | Is [LOC <place>] safe ? | Can [ORG <club>] beat [ORG <club>] on <day> ?"},

    // ---- politics
    {"politics",
     "3* <title> <person> arrived in [LOC <place>] on <day> for talks on <issue> | 3* <title> [PER "
     "<last>] flew to [LOC <place>] to meet <person> | 2* [LOC <country>] said on <day> it would "
     "<deal-with> [LOC <country>] over <issue> | 2* <person> , mayor of [LOC <city>] since "
     "<#1970-2020> , called for <issue> | 2* the <nat> government accused [LOC <country>] of "
     "breaking a <noun> on <issue> | 2* [PER <last>] , <#31-79> , was elected <role> by voters in "
     "[LOC <city>] and [LOC <city>] | 2* the town of [LOC <city>] , <#3-90> km <compass> of [LOC "
     "<city>] , voted against <issue> | [ORG <body>] rejected a plan by <title> [PER <last>] to "
     "end <issue> | [ORG <body>] sent <#2-90> <people> from [LOC <city>] to [LOC <region>] | <nat> "
     "troops left [LOC <city>] after [LOC <country>] signed the [MISC <city> Treaty] | <person> "
     "met <nat> <official> <person> in [LOC <city>] and said [PER ^] would <deal-with> [LOC "
     "<country>] | [PER <last>] told [ORG <body>] that <issue> in [LOC <region>] had cost <money> "
     "| <people> from [LOC <place>] marched through [LOC <city>] against <title> [PER <last>] | "
     "[PER <last>] , whose party won <#12-60> percent of the vote in [LOC <city>] , resigned | "
     "voters in [LOC <city>] like [PER <last>] , but those in [LOC <city>] do not | lawyers for "
     "[PER <last>] said the court in [LOC <city>] would rule on <day> | the bill on <issue> , "
     "named after [PER <last>] , passed with <#200-400> votes"},
    {"deal-with", "hold talks with | break ties with | trade with | support | open its border to"},
    {"issue", "trade | human rights | the budget | fishing rights | the peace plan | nuclear waste "
              "| taxes | water | the election | a reading of the bill | school reform | oil prices "
              "| border controls | arms sales"},
    {"body", "3* <acronym> | University of <city> | <city> University | Ministry of <field> | Bank "
             "of <country> | <city> City Council | <country> Red Cross | High Court of <country> | "
             "<last> Foundation | Institute of <field>"},

    // ---- business
    {"business",
     "3* shares in [ORG <firm>] <moved> <#1-40> percent to <#2-90> ~ . ~ <#10-99> on <day> | 3* "
     "[ORG <firm>] said <day> it would buy [ORG <firm>] for <money> | 2* [ORG <stem>] shares "
     "<moved> after the <field-small> group posted a loss of <money> | 2* [ORG <stem>] , a maker "
     "of <product> , <moved> <#2-60> cents in <city-adj> trading | 2* <person> , chief executive "
     "of [ORG <firm>] , said profit <moved> <#2-90> percent | 2* [ORG <stem>] hired <person> from "
     "[ORG <stem>] to run its <product> unit in [LOC <place>] | [ORG <firm>] will close its plant "
     "in [LOC <city>] and move <#40-900> jobs to [LOC <place>] | analysts at [ORG <stem>] expect "
     "[ORG <stem>] to report earnings of <#10-90> cents a share | [ORG <stem>] sued [ORG <stem>] "
     "in [LOC <city>] over patents for <product> | [PER <last>] sold his stake in [ORG <stem>] to "
     "[PER <last>] for <money> | [ORG <firm>] named [PER <last>] as head of <product> to replace "
     "[PER <last>] , who left for [ORG <stem>] | the <nat> central bank left rates at <#1-9> ~ . ~ "
     "<#0-9> percent , and the mark <moved> | <product> made by [ORG <stem>] in [LOC <city>] sell "
     "for <money> in [LOC <country>] | [ORG <firm>] opened a store in [LOC <city>] , its first in "
     "[LOC <country>] | the price of <product> <moved> to <money> a tonne in [LOC <city>] | "
     "customers of [ORG <stem>] in [LOC <place>] paid <money> more than those of [ORG <stem>] | "
     "directors of [ORG <stem>] and [ORG <stem>] met [PER <last>] in [LOC <city>]"},
    {"moved", "rose | fell | jumped | dropped | slipped | gained | lost"},
    {"product", "cars | mobile phones | software | coffee | steel | copper | paper | medicine | "
                "toys | orange juice | engines | wheat | banks and insurance | bread"},
    {"money", "<#2-900> million dollars | $ <#2-90> ~ . ~ <#1-9> billion | <#10-90> pounds | "
              "<#100-900> million marks | <#1-60> billion yen"},
    {"field", "Finance | Justice | Defence | Health | Science | Education | Transport | Trade"},
    {"field-small", "food | banking | car | media | travel | energy | chemicals"},
    {"city-adj", "early | late | heavy | thin | Friday"},

    // ---- sport
    {"sport",
     "3* [ORG <club>] <beat> [ORG <club>] <#1-5> ~ - ~ 0 in the <league> on <day> | 3* [PER "
     "<last>] <beat> [PER <last>] 6 ~ - ~ <#0-4> 6 ~ - ~ <#0-4> in the <round> of the [MISC "
     "<event>] | 2* [LOC <country>] <beat> [LOC <country>] <#1-4> ~ - ~ 0 in a [MISC <cup>] "
     "qualifier in [LOC <city>] | 2* <person> scored twice as [ORG <club>] <won-lost> to [ORG "
     "<club>] | 2* <person> of [LOC <country>] won the <race> at the [MISC <event>] in [LOC "
     "<city>] | 2* [ORG <club>] <coach> <person> said [PER ^] would miss the match against [ORG "
     "<club>] | 2* [ORG <club>] signed striker <person> from [ORG <club>] for <money> | [PER "
     "<last>] , the <nat> champion , pulled out of the [MISC <event>] with a knee injury | <nat> "
     "driver [PER <last>] took pole position at the [MISC <place> Grand Prix] | [PER <last>] hit "
     "<#40-199> not out as [LOC <country>] reached <#200-500> for <#1-9> against [LOC <country>] | "
     "[ORG <club>] , bottom of the <league> , sacked [PER <last>] on <day> | [PER <last>] scored "
     "in the <#2-89> ~ th minute for [ORG <club>] | [PER <last>] needed three sets to beat <nat> "
     "qualifier <person> | fans of [ORG <club>] and [ORG <club>] clashed in [LOC <city>] | the "
     "[MISC <event>] will be held in [LOC <city>] , not in [LOC <city>] , in <#1990-2030>"},
    {"beat", "4* beat | defeated | overcame | edged | outplayed"},
    {"won-lost", "lost <#0-1> ~ - ~ <#2-4> | went down | drew at home"},
    {"league", "league | second division | premier league | cup | first round"},
    {"round", "first round | second round | quarter-finals | semi-finals | final"},
    {"race",
     "100 metres | marathon | 200 metres butterfly | high jump | slalom | gold medal | javelin"},
    {"coach", "coach | manager | captain | goalkeeper | striker"},

    // ---- the rest of the news
    {"accident",
     "3* a <vehicle> crashed near [LOC <city>] , killing <#2-90> <people> | 2* police in [LOC "
     "<city>] arrested <person> , <#18-70> , on <day> | 2* [PER <last>] was charged with murder in "
     "[LOC <city>] | an earthquake shook [LOC <region>] , <compass> of [LOC <city>] | <person> , a "
     "<#18-70> ~ -year-old <job> from [LOC <place>] , was found dead | the <vehicle> , bound for "
     "[LOC <city>] from [LOC <city>] , belonged to [ORG <firm>] | [PER <last>] and [PER <last>] , "
     "both of [LOC <city>] , were rescued from the river | firemen let the fire at the [ORG "
     "<stem>] factory burn until <day> | they had to ford the river and camp on the <noun>"},
    {"culture", "2* <nat> <job> <person> won the [MISC <prize>] for \" [MISC <work>] \" | <person> "
                "plays [PER <last>] in the film \" [MISC <work>] \" | the [MISC <work>] by [PER "
                "<last>] was sold to [ORG <body>] for <money> | [PER <last>] , author of \" [MISC "
                "<work>] \" , lives in [LOC <city>] | [MISC <work>] opens in [LOC <city>] on <day> "
                "| [ORG <body>] honoured <person> with the [MISC <prize>] | <people> speak [MISC "
                "<nationality>] in [LOC <region>] and in parts of [LOC <country>]"},
    {"weather",
     "2* rain is expected in [LOC <city>] , [LOC <city>] and [LOC <place>] | temperatures in [LOC "
     "<city>] will reach <#5-40> degrees | snow closed roads <compass> of [LOC <city>] on <day> | "
     "the river at [LOC <city>] rose <#2-90> cm | winds hit [LOC <region>] on <day>"},
    {"headline",
     "2* [LOC <place>] <issue-verb> <issue> | 2* [PER <last>] <verb-now> [PER <last>] in <round> | "
     "2* [ORG <stem>] shares <moved> on <noun> | 2* [ORG <club>] <verb-now> [ORG <club>] | [ORG "
     "<stem>] to buy [ORG <stem>] | <nat> <official> visits [LOC <place>] | soccer - [ORG <club>] "
     "<verb-now> [ORG <club>] <#1-4> ~ - ~ 0 | tennis - [PER <last>] into <round> | mayor of [LOC "
     "<city>] quits | [PER <last>] named coach of [ORG <club>] | <#2-60> killed in [LOC <place>] "
     "<vehicle> crash | [PER <last>] denies murder | [LOC <country>] - <nat> stocks end mixed"},
    {"issue-verb", "debates | faces row over | votes on | delays"},
    {"verb-now", "beats | defeats | edges | stuns | faces"},
    {"dateline", "3* [LOC %caps <place>] <#1990-2030> ~ -0 ~ <#1-9> ~ - ~ <#10-28> | 2* [LOC %caps "
                 "<city>] , <month> <#1-28> ( [ORG <acronym>] ) | - [ORG <acronym>] , [LOC <city>] "
                 "newsroom + <#10-99> <#100-999> <#1000-9999> | by <person>"},
    {"table",
     "3* <#1-40> . <person> ( [LOC <country>] ) <#1-59> ~ : ~ <#10-59> ~ . ~ <#10-99> | 2* [ORG "
     "<club>] <#10-40> <#0-20> <#0-20> <#0-20> <#10-90> <#10-90> <#0-70> | 2* [ORG <club>] <#0-5> "
     "[ORG <club>] <#0-5> | 2* [PER <last>] ( [LOC <country>] ) <beat> [PER <last>] ( [LOC "
     "<country>] ) 6 ~ - ~ <#0-4> 7 ~ - ~ <#5-6> | [ORG <stem>] <#10-90> ~ . ~ <#10-99> + <#0-3> ~ "
     ". ~ <#10-99> | [LOC <city>] <#1-40> <#1-40> cloudy | [LOC <country>] <#0-20> <#0-20> <#0-20> "
     "<#0-60> | <day> , <month> <#1-28> | c [PER <last>] b [PER <last>] <#0-120>"},

    // ---- small words
    {"remark",
     "we will <deal-with> them | it was a nice result | the price is too high | we have no comment "
     "| I hope to win the final | there may be more <noun> | nobody will grant that | we must wait "
     "for the <noun> | my team played well against [ORG <club>] | I grew up in [LOC <city>] | I "
     "never worked for [ORG <stem>] | [PER <last>] is a good <job>"},
    {"said", "4* said | told reporters | added | wrote"},
    {"did-well", "won in <#1970-2020> | left [ORG <firm>] | lives in [LOC <city>] | beat [PER "
                 "<last>] | turned <#30-70> on <day>"},
    {"verb-past", "resigned | won | died | returned | lost again | retired"},
    {"noun", "truce | report | bank | bridge | contract | market | bill | rose garden | mobile "
             "network | bath | reading | mark | price | cook"},
    {"people",
     "people | soldiers | students | tourists | miners | refugees | brown bears | young women"},
    {"official", "minister | envoy | president | officials | foreign minister | judge"},
    {"job", "teacher | painter | writer | farmer | doctor | cook | baker | smith"},
    {"role", "chairman | president | head | founder | deputy leader"},
    {"title", "President | Prime Minister | Mr | Mrs | Ms | Senator | Judge | General | Dr | "
              "Foreign Minister"},
    {"vehicle", "bus | train | plane | ferry | lorry"},
    {"compass", "north | south | east | west"},
    {"day", "Monday | Tuesday | Wednesday | Thursday | Friday | Saturday | Sunday"},
    {"month", "January | February | March | April | May | June | July | August | September | "
              "October | November | December"},

    // ---- entities
    {"nat", "[MISC <nationality>]"},
    {"person",
     "7* [PER <first> <last> @] | [PER <first> <initial> <last> @] | [PER <initial> <last> @]"},
    {"initial", "A. | B. | C. | D. | E. | F. | G. | H. | J. | K. | M. | P. | R. | S. | T. | W."},
    {"first", "12* <given> | 3* <both-given> | 2* <!new-given>"},
    {"last",
     "17* <surname> | 5* <both> | 4* <!new-surname> | <both-given> | <surname> ~ - ~ <surname>"},
    {"city", "16* <town> | 4* <both> | 3* <!new-town> | <two-town>"},
    {"place", "<city> | <country>"},
    {"region", "<direction> <country> | Lake <both> | <both> County | Mount <both> | <!new-town> "
               "Valley | <city> Province | <town> Island | Cape <surname>"},
    {"direction", "North | South | East | West | Northern | Southern"},
    {"firm", "3* <stem> <suffix> | 3* <stem> | <last> & <last> | <stem> <trade> <suffix> | <stem> "
             "<trade> | <acronym> | <city> <trade>"},
    {"stem", "16* <company> | 5* <both> | 3* <!new-company> | <surname>"},
    {"suffix", "Inc | Ltd | Corp | Co | Group | Holdings | AG | SA | Plc | & Sons"},
    {"trade", "Motors | Steel | Foods | Bank | Airlines | Press | Energy | Oil | Mining | "
              "Insurance | Electric"},
    {"acronym", "3* <known-acronym> | <!new-acronym>"},
    {"club",
     "3* <both> | 3* <town> | <!new-town> | 4* <city> <club-word> | 4* <nickname> | <both-given>"},
    {"club-word", "United | City | Rovers | Town | Rangers | Athletic | Wanderers | Dynamo"},
    {"event", "<city> Open | <country> Open | <cup> | <stem> Classic | <city> Marathon | "
              "<nationality> Championships | <#1990-2030> World Games"},
    {"cup", "World Cup | <both> Cup | <company> Trophy | Northern Nations Cup | Continental Cup"},
    {"prize", "<surname> Prize | <both> Medal | Golden Lantern | <city> Book Award"},
    {"work", "The <work-adj> <work-noun> | <work-noun> of <city> | <work-adj> <work-noun> | A "
             "<work-noun> for <given> | <both> Nights"},
    {"work-adj", "Silent | Last | Broken | Red | Golden | Long | Empty | Brown | Young | Hidden"},
    {"work-noun",
     "River | Winter | House | Rose | Train | Garden | Daughter | Price | Letter | Bridge"},
    {"two-town", "New <both> | Port <both> | San <given> | Fort <surname> | <both> Springs | São "
                 "Tomé | Saint <given>"},

    // ---- words that may be a person, a place, a company or a club
    {"both",
     "Lincoln | Austin | Jordan | Victoria | Chelsea | Washington | Ford | Morgan | Houston | "
     "Dallas | Jackson | Madison | Preston | Burton | Hamilton | Carson | Wellington | Sutton | "
     "Barclay | Chester | Hudson | Lancaster | Warwick | Stafford | Monroe | Clinton | Columbia | "
     "Santiago | Valencia | Stanley | Marshall | Nelson | Kent | Everton | Ashton | Bolton | Derby "
     "| Orlando | Milan | Trent | Raleigh | Denver | Bedford | Crawford | Paisley | Hastings | "
     "Windsor | Cordoba | Reading | Price | Brown"},
    {"both-given", "Sydney | Florence | Georgia | Paris | Chad | Austin | Jordan | Victoria | "
                   "Chelsea | Israel | Adelaide | Grant | Mark | Rose | Hope"},
    {"given",
     "John | Mary | Peter | Anna | David | Maria | Michael | Laura | Thomas | Elena | Andrew | "
     "Sofia | Daniel | Ingrid | Robert | Helen | Carlos | Lucia | Ivan | Olga | Stefan | Petra | "
     "Hans | Greta | Marco | Giulia | Pierre | Claire | Jean | Isabel | Ahmed | Fatima | Omar | "
     "Leila | Yusuf | Aisha | Kenji | Yuki | Hiroshi | Naoko | Wei | Mei | Raj | Priya | Arjun | "
     "Anita | Kofi | Ama | Tunde | Ngozi | Erik | Astrid | Lars | Karin | Tomasz | Ewa | Jindra | "
     "Zdena | Béla | Ágnes | Nikos | Eleni | Diego | Carmen | Bruno | Teresa | Colin | Fiona | "
     "Bill | Joy | Jürgen | Frank"},
    {"surname",
     "Smith | Jones | Taylor | Walker | Wright | Cooper | Fisher | Baker | Cook | Young | Banks | "
     "Bush | Black | White | Green | Miller | Anderson | Clarke | Hughes | Murphy | Kelly | Ryan | "
     "Evans | Roberts | Campbell | Stewart | Fraser | García | López | Martínez | Sánchez | Pérez "
     "| Romero | Silva | Santos | Costa | Pereira | Rossi | Bianchi | Ferrari | Conti | Moretti | "
     "Dubois | Lefèvre | Laurent | Moreau | Müller | Schmidt | Weber | Fischer | Becker | Schäfer "
     "| Hoffmann | Jansen | De Vries | Bakker | Larsson | Nilsson | Hansen | Olsen | Berg | "
     "Lindqvist | Virtanen | Korhonen | Kowalski | Nowak | Wójcik | Novák | Dvorák | Horváth | "
     "Nagy | Popescu | Ionescu | Ivanov | Petrov | Sokolov | Kuznetsov | Shevchenko | Papadopoulos "
     "| Yilmaz | Demir | Haddad | Khalil | Rahman | Khan | Hussain | Sharma | Gupta | Patel | "
     "Singh | Tanaka | Suzuki | Yamamoto | Kim | Park | Chen | Wang | Nguyen | Mensah | Okafor | "
     "Adeyemi | Mbeki | Tesfaye | O'Brien | McCarthy | Van Dyke"},
    {"town",
     "London | Berlin | Madrid | Rome | Vienna | Prague | Warsaw | Budapest | Lisbon | Dublin | "
     "Oslo | Stockholm | Helsinki | Copenhagen | Athens | Ankara | Cairo | Tunis | Lagos | Nairobi "
     "| Accra | Delhi | Karachi | Tokyo | Osaka | Seoul | Beijing | Shanghai | Manila | Jakarta | "
     "Bangkok | Moscow | Kiev | Boston | Chicago | Toronto | Montreal | Lima | Bogotá | Quito | "
     "Havana | Melbourne | Auckland | Leeds | Glasgow | Liverpool | Nice | Bath | Mobile | Lyon | "
     "Turin | Naples | Hamburg | Cologne | Málaga | Zürich | Geneva | Ghent"},
    {"country",
     "France | Germany | Spain | Italy | Austria | Poland | Hungary | Portugal | Ireland | Norway "
     "| Sweden | Finland | Denmark | Greece | Turkey | Egypt | Tunisia | Nigeria | Kenya | Ghana | "
     "India | Pakistan | Japan | China | Indonesia | Thailand | Russia | Ukraine | Canada | Peru | "
     "Colombia | Ecuador | Cuba | Australia | Brazil | Chile | Mexico | Jordan | Georgia | Chad | "
     "Israel | South Africa | New Zealand | Sri Lanka"},
    {"nationality",
     "French | German | Spanish | Italian | Austrian | Polish | Hungarian | Portuguese | Irish | "
     "Norwegian | Swedish | Finnish | Danish | Greek | Turkish | Egyptian | Tunisian | Nigerian | "
     "Kenyan | Indian | Pakistani | Japanese | Chinese | Indonesian | Thai | Russian | Ukrainian | "
     "Canadian | Peruvian | Colombian | Cuban | Australian | Brazilian | Chilean | Mexican | "
     "Jordanian | Georgian | Israeli"},
    {"company",
     "Apex | Orbit | Northwind | Bluestone | Silverline | Redwood | Ironbridge | Sunfield | "
     "Meridian | Polaris | Atlas | Titan | Zenith | Vertex | Summit | Pinnacle | Crestline | "
     "Oakfield | Maplewood | Riverside | Harbour | Lighthouse | Falcon | Eagle | Lynx | Puma | "
     "Condor | Pegasus | Phoenix | Orion | Vega | Altair | Delta | Omega | Sigma | Quantum | "
     "Fusion | Mobile | Orange | Target | Gap | Unity | Pioneer | Sterling | Crown | Regal"},
    {"nickname", "Tigers | Red Lions | Falcons | Northern Stars | Blue Sharks | Wolves | Ironmen"},
    {"known-acronym",
     "UNO | OEC | NTO | IWF | GBU | FTA | EBC | WLO | RNA | PKL | BTV | ICN | ESU | CDP"},

    // ---- names put together from syllables; all kinds share beginnings and some endings
    {"new-given", "<onset> ~ <middle> ~ <given-end>"},
    {"new-surname", "2* <onset> ~ <middle> ~ <surname-end> | <onset> ~ <shared-end> | <onset> ~ "
                    "<middle> ~ <shared-end>"},
    {"new-town", "2* <onset> ~ <middle> ~ <town-end> | <onset> ~ <shared-end> | <onset> ~ <middle> "
                 "~ <shared-end>"},
    {"new-company", "2* <onset> ~ <middle> ~ <company-end> | <onset> ~ <shared-end> | <onset> ~ "
                    "<middle> ~ <shared-end>"},
    {"new-acronym", "<letter> ~ <letter> ~ <letter> | <letter> ~ <letter> ~ <letter> ~ <letter>"},
    {"onset", "Bal | Kor | Mar | Tel | Vin | Hal | Dor | Ser | Lan | Bren | Cas | Dev | El | Fal | "
              "Gor | Har | Il | Jel | Kal | Lor | Mel | Nor | Os | Pel | Quin | Ros | Sal | Tor | "
              "Ul | Ver | Wes | Yar | Zel | Stan | Brad | Chal | Ham | Wal | Thorn | Cran"},
    {"middle", "a | e | i | o | en | ar | il | er | in | al | um | ov"},
    {"given-end", "na | nia | la | ka | ro | do | lyn | ric | vin | ta | mir | bel | son"},
    {"surname-end", "sen | sson | ez | ini | kowski | escu | oglu | vic | enko | ström | ard | "
                    "mann | idis | ova | wood | er"},
    {"town-end", "burg | ville | grad | stad | abad | pur | mouth | dorf | polis | bury | haven | "
                 "field | caster | minster | borg"},
    {"company-end",
     "tech | tron | dyne | soft | ex | net | gen | max | corp | media | plast | chem | dex | sys"},
    {"shared-end", "ton | ham | ley | ford | son | man | wick | dale | land | worth"},
    {"letter", "A | B | C | D | E | F | G | I | K | L | M | N | O | P | R | S | T | U | V | W"},
};

enum {
    N_RULES = sizeof rule_texts / sizeof *rule_texts,
    N_SPLITS = 3,
    MAX_TOKENS = 60,
    MAX_BYTES = 4096
};

// ---- the grammar, read once

typedef enum SymbolKind {
    WORD,
    RULE,
    NEW_RULE,
    NUMBER,
    OPEN,
    CLOSE,
    GLUE,
    KEEP,
    AGAIN,
    CASE
} SymbolKind;

typedef struct Symbol {
    SymbolKind kind;
    const char *text;  // [n] WORD: itself; OPEN: the type; CASE: its name
    int n;
    int rule;       // RULE, NEW_RULE
    int low, high;  // NUMBER
} Symbol;

typedef struct Alternative {
    uint32_t weight;
    int first, end;  // in Grammar.symbol
} Alternative;

typedef struct Rule {
    uint32_t weight;  // of all alternatives
    int first, end;   // in Grammar.alternative
} Rule;

typedef struct Grammar {
    Rule rule[N_RULES];
    Alternative *alternative;
    Symbol *symbol;
    int n_alternatives, n_symbols;
} Grammar;

static int find_rule(const char *name, int n)
{
    for (int i = 0; i < N_RULES; i++) {
        if (strncmp(rule_texts[i].name, name, (size_t)n) == 0 && rule_texts[i].name[n] == '\0') {
            return i;
        }
    }
    CHECK(false, "the grammar has no rule %.*s", n, name);
    return 0;
}

/** The symbol of a word of the grammar; n > 0. */
static Symbol read_symbol(const char *text, int n)
{
    Symbol symbol = {.kind = WORD, .text = text, .n = n};
    if (text[0] == '<' && text[1] == '#') {
        symbol.kind = NUMBER;
        int got = sscanf(text, "<#%d-%d>", &symbol.low, &symbol.high);
        CHECK(got == 2 && symbol.low < symbol.high, "bad number %.*s in the grammar", n, text);
    } else if (text[0] == '<') {
        int skip = text[1] == '!' ? 2 : 1;
        symbol.kind = skip == 2 ? NEW_RULE : RULE;
        symbol.rule = find_rule(text + skip, n - skip - 1);
    } else if (text[0] == '[') {
        symbol = (Symbol){.kind = OPEN, .text = text + 1, .n = n - 1};
    } else if (text[0] == '%') {
        symbol.kind = CASE;
    } else if (n == 1 && strchr("]~@^", text[0]) != NULL) {
        symbol.kind = text[0] == ']'   ? CLOSE
                      : text[0] == '~' ? GLUE
                      : text[0] == '@' ? KEEP
                                       : AGAIN;
    }
    return symbol;
}

static void add_symbol(Grammar *grammar, const char *text, int n)
{
    if (grammar->n_symbols % 256 == 0) {
        grammar->symbol =
            mem_grow(grammar->symbol, (size_t)grammar->n_symbols + 256, sizeof *grammar->symbol);
    }
    grammar->symbol[grammar->n_symbols++] = read_symbol(text, n);
}

static Alternative *add_alternative(Grammar *grammar, Rule *rule)
{
    if (grammar->n_alternatives % 256 == 0) {
        grammar->alternative = mem_grow(grammar->alternative, (size_t)grammar->n_alternatives + 256,
                                        sizeof *grammar->alternative);
    }
    Alternative *added = &grammar->alternative[grammar->n_alternatives++];
    *added = (Alternative){.weight = 1, .first = grammar->n_symbols, .end = grammar->n_symbols};
    rule->weight++;
    rule->end = grammar->n_alternatives;
    return added;
}

static void read_rule(Grammar *grammar, Rule *rule, const char *text)
{
    rule->first = grammar->n_alternatives;
    Alternative *alternative = add_alternative(grammar, rule);
    for (text += strspn(text, " "); *text != '\0'; text += strspn(text, " ")) {
        int n = (int)strcspn(text, " ");
        if (n == 1 && *text == '|') {
            alternative = add_alternative(grammar, rule);
        } else if (isdigit((unsigned char)*text) && text[n - 1] == '*') {
            alternative->weight = (uint32_t)atoi(text);
            rule->weight += alternative->weight - 1;
        } else {
            bool closes = n > 1 && text[n - 1] == ']';
            add_symbol(grammar, text, n - closes);
            if (closes) {
                add_symbol(grammar, "]", 1);
            }
        }
        alternative->end = grammar->n_symbols;
        text += n;
    }
}

static void grammar_read(Grammar *grammar)
{
    for (int i = 0; i < N_RULES; i++) {
        read_rule(grammar, &grammar->rule[i], rule_texts[i].alternatives);
    }
}

static void grammar_free(Grammar *grammar)
{
    mem_free(grammar->alternative);
    mem_free(grammar->symbol);
}

// ---- one sentence

typedef struct Token {
    int start, n;        // bytes in Sentence.text
    const Symbol *open;  // the entity it stands in, or NULL
    bool begins;         // first token of its entity
    bool caps;
} Token;

typedef struct Sentence {
    Token token[MAX_TOKENS];
    char text[MAX_BYTES];
    int n, n_bytes;
    const Symbol *open;
    int kept;  // the token that @ remembered
    bool begins, glue, caps;
    bool too_long;
    char letters;  // 'l'ower, 'u'pper or, as written, 0
} Sentence;

typedef struct Writer {
    Grammar grammar;
    Rng rng;
    RngPlace place;
    uint32_t lane;
    Sentence sentence;
} Writer;

static uint32_t draw(Writer *writer, uint32_t n)
{
    return rng_below(&writer->rng, writer->place, writer->lane++, n);
}

static void add_text(Sentence *sentence, const char *text, int n)
{
    bool glued = sentence->glue && sentence->n > 0;
    if (sentence->n_bytes + n > MAX_BYTES || (!glued && sentence->n == MAX_TOKENS)) {
        sentence->too_long = true;
        return;
    }
    if (!glued) {
        sentence->token[sentence->n++] = (Token){.start = sentence->n_bytes,
                                                 .open = sentence->open,
                                                 .begins = sentence->begins,
                                                 .caps = sentence->caps};
        sentence->begins = false;
    }
    memcpy(sentence->text + sentence->n_bytes, text, (size_t)n);
    sentence->n_bytes += n;
    sentence->token[sentence->n - 1].n += n;
    sentence->glue = false;
}

/** The split that a name put together from syllables belongs to (FNV-1a). */
static uint32_t split_of(const Sentence *sentence)
{
    const Token *token = &sentence->token[sentence->n - 1];
    uint32_t hash = 2166136261u;
    for (int i = 0; i < token->n; i++) {
        hash = (hash ^ (unsigned char)sentence->text[token->start + i]) * 16777619u;
    }
    return (hash >> 8) % N_SPLITS;
}

static void expand_rule(Writer *writer, int rule);

static void expand_new(Writer *writer, int rule)
{
    Sentence *sentence = &writer->sentence;
    CHECK(!sentence->glue, "a glued name would not be checked against the other splits");
    int n = sentence->n, n_bytes = sentence->n_bytes;
    bool begins = sentence->begins;
    do {
        sentence->n = n;
        sentence->n_bytes = n_bytes;
        sentence->begins = begins;
        expand_rule(writer, rule);
    } while (!sentence->too_long && split_of(sentence) != writer->place.step);
}

static void set_case(Sentence *sentence, const Symbol *symbol)
{
    if (symbol->text[1] == 'c') {
        sentence->caps = true;
    } else {
        sentence->letters = symbol->text[1];
    }
}

static void expand_symbol(Writer *writer, const Symbol *symbol)
{
    Sentence *sentence = &writer->sentence;
    char number[16];
    switch (symbol->kind) {
    case WORD:
        add_text(sentence, symbol->text, symbol->n);
        break;
    case RULE:
        expand_rule(writer, symbol->rule);
        break;
    case NEW_RULE:
        expand_new(writer, symbol->rule);
        break;
    case NUMBER:
        add_text(
            sentence, number,
            snprintf(number, sizeof number, "%d",
                     symbol->low + (int)draw(writer, (uint32_t)(symbol->high - symbol->low) + 1)));
        break;
    case OPEN:
        sentence->open = symbol;
        sentence->begins = true;
        break;
    case CLOSE:
        sentence->open = NULL;
        sentence->begins = sentence->caps = false;
        break;
    case GLUE:
        sentence->glue = true;
        break;
    case KEEP:
        sentence->kept = sentence->n - 1;
        break;
    case AGAIN:
        add_text(sentence, sentence->text + sentence->token[sentence->kept].start,
                 sentence->token[sentence->kept].n);
        break;
    case CASE:
        set_case(sentence, symbol);
        break;
    }
}

static void expand_rule(Writer *writer, int rule)
{
    const Grammar *grammar = &writer->grammar;
    const Alternative *chosen = &grammar->alternative[grammar->rule[rule].first];
    uint32_t ticket = draw(writer, grammar->rule[rule].weight);
    while (ticket >= chosen->weight) {
        ticket -= chosen->weight;
        chosen++;
    }
    for (int i = chosen->first; i < chosen->end && !writer->sentence.too_long; i++) {
        expand_symbol(writer, &grammar->symbol[i]);
    }
}

/** Change the case of one character (ASCII or the upper half of Latin-1); returns its bytes. */
static int change_case(char *text, bool upper)
{
    unsigned char first = (unsigned char)text[0], second = (unsigned char)text[first >= 0xc0];
    if (first < 0x80) {
        text[0] = (char)(upper ? toupper(first) : tolower(first));
        return 1;
    }
    if (first == 0xc3 && (second & 0xdf) != 0x97 && (second & 0xdf) != 0x9f) {
        text[1] = (char)(upper ? second & 0xdf : second | 0x20);
    }
    return first >= 0xe0 ? 3 : 2;
}

static void change_cases(Sentence *sentence)
{
    for (int i = 0; i < sentence->n; i++) {
        const Token *token = &sentence->token[i];
        bool upper = token->caps || sentence->letters == 'u';
        char *end = sentence->text + token->start + token->n;
        if (upper || sentence->letters == 'l') {
            for (char *c = sentence->text + token->start; c < end;) {
                c += change_case(c, upper);
            }
        }
    }
    if (sentence->letters != 'l') {
        change_case(sentence->text, true);
    }
}

static void write_sentence(const Sentence *sentence, FILE *out, SynthCounts *counts)
{
    for (int i = 0; i < sentence->n; i++) {
        const Token *token = &sentence->token[i];
        fprintf(out, "%.*s ", token->n, sentence->text + token->start);
        if (token->open != NULL) {
            fprintf(out, "%c-%.*s\n", token->begins ? 'B' : 'I', token->open->n, token->open->text);
        } else {
            fputs("O\n", out);
        }
        counts->entities += token->begins;
    }
    putc('\n', out);
    counts->sentences++;
    counts->tokens += sentence->n;
}

SynthCounts synth_write(FILE *out, uint64_t seed, SynthSplit split, long n)
{
    SynthCounts counts = {0};
    Writer writer = {.rng = rng_init(seed, RNG_SYNTH), .place = {.step = (uint32_t)split}};
    grammar_read(&writer.grammar);
    for (long i = 0; i < n; i++) {
        writer.place.sentence = (uint32_t)i;
        writer.lane = 0;
        do {
            writer.sentence = (Sentence){0};
            expand_rule(&writer, find_rule("sentence", 8));
        } while (writer.sentence.too_long);
        change_cases(&writer.sentence);
        write_sentence(&writer.sentence, out, &counts);
    }
    grammar_free(&writer.grammar);
    return counts;
}
