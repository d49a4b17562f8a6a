"""Given names people use for one another. A name may belong to several groups (Al: Albert, Alan, Alfred)."""

from functools import lru_cache
from typing import Final

from customer_identity.normalise.text import CACHE_SIZE

# The first word of a group names it. English first, since most sources are; spellings of one name stand beside it.
_GROUPS: Final = """
abigail abby abbie gail | abraham abe bram | adam ad addy | adelaide addie della | agnes aggie nessie
albert al bert bertie | alan al allan allen alun
alexander alex al alec sandy sasha xander aleksandr alejandro alessandro
alexandra alex sandra lexi lexie sandy sasha | alfred al alf alfie fred freddie | alice ally ali alicia
amanda mandy manda | amelia amy millie mia | andrew andy drew andreas andre andrei | angela angie ange
ann anne anna annie nan nancy hannah ana | anthony tony ant antony antonio anton | archibald archie
arthur art artie | augustus gus august augustine | barbara barb barbie babs | bartholomew bart
beatrice bea trixie beatrix | benjamin ben benny benji benjy | bernard bernie barney | bridget biddy bridie
caroline carrie carol carolyn lina
catherine kate katie kathy cathy katherine kathryn kathleen kit kitty cath kathie katharine catharine
cecilia celia cissy | charles charlie chuck chas carl carlos karl | charlotte lottie charlie
christina chris tina chrissie christine kristina kristine | christopher chris kit topher kris | clarence clancy
clifford cliff | constance connie | cornelius con neil | cynthia cindy | daniel dan danny daniele
deborah deb debbie debra | dennis den denny denis | donald don donnie | dorothy dot dottie dolly dora | douglas doug
edith edie | edward ed eddie ned ted teddy eduardo edouard | eleanor ellie nell nora elinor ellen
elizabeth liz beth betty lizzie eliza libby bess elsie lisa betsy elisabeth eliz liza | emily em emmy millie
emma em emmy | ernest ernie | esther hester essie | eugene gene | evelyn eve evie | ferdinand ferdie
florence flo flossie florrie | frances fran fanny frankie | francis frank frankie francisco franz | franklin frank
frederick fred freddie freddy fritz fredrick | gabriel gabe | gabrielle gabby gaby | geoffrey geoff jeff jeffrey
george georgie jorge georg | gerald gerry jerry | gertrude gertie trudy | gilbert gil bert | gregory greg gregg
gwendolyn gwen | harold harry hal | harriet hattie harry | helen nell ellen helena elena
henry harry hank hal enrique heinrich | herbert herb bert | howard howie | hubert hugh bert | isaac ike zac
isabella bella izzy isabel isobel belle | jacob jake jack | jacqueline jackie | james jim jimmy jamie jem santiago
jane janie jenny janet | janet jan | jennifer jen jenny jenn | jeremiah jerry jeremy | jessica jess jessie
joan joanna joanne jo joann | john jack johnny jon johnnie juan johann johan ivan jean | jonathan jon jonny john
joseph joe joey jose josef | josephine jo josie | joshua josh | judith judy jude | julia julie jules juliet
kenneth ken kenny | kimberly kim | laura laurie lori | lawrence larry laurence lars | leonard len lenny leo
leopold leo | leslie les | lewis lew louis lou louie luis | lillian lily lil lilly | louisa louise lou lulu
lucy lucille lucia luce | madeline maddie madeleine | magdalena lena magda
margaret maggie meg peggy marge margie madge greta rita daisy peg margarita marguerite | maria mary marie
mark marc marcus | martha mattie patty | martin marty | mary molly polly mae may mamie minnie | matilda tilly mattie
matthew matt matty matteo | maurice morris moritz mauritz | maximilian max | melissa mel missy
michael mike mick mickey micky mikey miguel michel mitch | michelle shelly chelle | mildred millie | miriam mimi
mitchell mitch | mohammed mohammad muhammad mohamed muhammed mhmd | montgomery monty | nancy nan
natalie nat nattie natalia | nathaniel nat nate nathan | nicholas nick nicky nico nicolas nikolai
nicole nicki nikki | norman norm | olivia liv livvy | oliver ollie | oscar ozzie | pamela pam
patricia pat patty trish tricia patsy | patrick pat paddy rick | paul pablo paolo pavel | penelope penny
percival percy | peter pete pedro pierre | philip phil phillip pip | phyllis phyl | priscilla cilla prissy
rachel rae | ralph rafe | randolph randy dolph | raymond ray | rebecca becky becca | reginald reg reggie
richard rick dick rich ricky richie dickie ricardo | robert bob bobby rob robbie bert roberto robby
roderick rod rick | rodney rod | roger rodge | roland rollo | ronald ron ronnie ronny | rosemary rose rosie
roxanne roxy | rudolph rudy rolf | russell russ | samantha sam sammie | samuel sam sammy | sarah sally sadie sara
sebastian seb bas | sharon shari | sidney sid sydney | silvester sylvester sly | simon si | solomon sol
sophia sophie sofia | stanley stan | stephanie steph steffi | stephen steve steven stevie stefan esteban
stuart stu stewart | susan sue susie suzie susanna suzanne suzy susannah | sylvia silvia | tabitha tabby
terence terry terrence | theodore ted theo teddy | theresa terry tess tessa teresa tracy | thomas tom tommy tomas
timothy tim timmy | tobias toby | valerie val | veronica ronnie | victor vic viktor | victoria vicky tori vicki
vincent vince vinny | viola vi violet | virginia ginny ginger | walter walt wally | wilfred wilf fred
wilhelmina mina billie minnie | william bill will billy willy liam willie wilhelm guillermo wm
winifred winnie fred | winston win | yvonne vonnie | zachary zach zack | stacy stacey | tracy tracey | jeffrey jeff
bradley brad | cameron cam | jocelyn joss | judah jude | mackenzie mack | nathan nate | owen owain | eric erik
brian bryan | sean shaun shawn
ahmed ahmad ahmet ahmd | ali aly | omar umar omer amr | hassan hasan hsn | hussein husain hussain hosein hsyn
abdullah abdallah abdullahi abdallh | yusuf yousef youssef yussuf joseph ywsf | ibrahim ebrahim abraham abrahym
khalid khaled khald | mahmoud mahmud mhmwd | mustafa mostafa mstfa | layla leila laila lyla | fatima fatma fatimah
aisha ayesha aysha aaysha | maryam mariam miriam maria mrym | saeed said sayd | karim kareem krym | nour noor nur nwr
dmitri dmitry dimitri dmitrii | sergei sergey | yuri yury yurii | andrei andrey | aleksei alexey alexei aleksey
nikolai nikolay nicholas | petr pyotr peter | fyodor fedor theodore | yevgeny evgeny evgenii eugene
ekaterina catherine | elena yelena helen | natalya nataliya natalia natalie | tatyana tatiana
anastasia anastasiya | mikhail michael | pavel paul | ivan john | jorge george
pepe jose | paco francisco | nacho ignacio | lola dolores | concha concepcion
manolo manuel | juergen jurgen | guenther gunther guenter gunter | joerg jorg | bjoern bjorn | soeren soren
goetz gotz | kaethe kathe | hans johannes johann | guiseppe giuseppe
"""


def _by_name() -> dict[str, tuple[str, ...]]:
    table: dict[str, set[str]] = {}
    for group in _GROUPS.replace("\n", " | ").split("|"):
        members = group.split()
        for name in members:
            table.setdefault(name, set()).add(members[0])
    return {name: tuple(sorted(roots)) for name, roots in table.items()}


_ROOTS: Final = _by_name()


def nickname_roots(given: str) -> tuple[str, ...]:
    """The groups a given name belongs to; empty for a name no group knows."""
    return _ROOTS.get(given, ())


@lru_cache(maxsize=CACHE_SIZE)
def initials(roots: str) -> str:
    """First letters of the names that these groups (space separated) are named by: Becky may sign as R."""
    return "".join(root[0] for root in roots.split())
