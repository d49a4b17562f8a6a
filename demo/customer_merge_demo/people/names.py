"""Names to draw from: common in the United States, no real person in mind."""

from __future__ import annotations

from collections.abc import Mapping

# A given name, and after a colon the short forms its bearers use.
_FEMALE = """
Abigail:Abby Alexandra:Alex,Sandra Alice Allison:Allie Amanda:Mandy Amelia:Millie Andrea Angela:Angie Anna
Barbara:Barb Beatrice:Bea Brenda Camille Carla Caroline:Carrie Catherine:Cathy,Kate Charlotte:Lottie
Christina:Tina,Chris Claire Clara Cynthia:Cindy Danielle:Dani Deborah:Debbie Diana Dolores Eleanor:Ellie,Nell
Elena Elizabeth:Liz,Beth,Betsy Emily:Em Erin Esther Evelyn:Evie Fatima Frances:Fran Gabriela:Gabi Grace Hannah
Harriet:Hattie Heather Helen Imani Irene Isabella:Bella,Izzy Jacqueline:Jackie Jane Janet:Jan Jasmine
Jennifer:Jen,Jenny Jessica:Jess Joan Josephine:Josie Judith:Judy Julia Katherine:Kate,Kathy,Katie Kavita Keiko
Kimberly:Kim Laura Lauren Leila Lillian:Lily Linda Lucia Madeline:Maddie Margaret:Maggie,Peggy,Meg Maria Marisol
Martha Mei Melissa:Missy Michelle:Shelly Miranda:Mandy Monica Nadia Nancy Natalie:Nat Nicole:Nikki Nora
Olivia:Liv Pamela:Pam Patricia:Pat,Patty,Tricia Paula Phyllis Priya Rachel Rebecca:Becky Renee Roberta:Bobbie
Rosa Ruth Samantha:Sam Sandra:Sandy Sarah Sharon Sofia Stephanie:Steph Susan:Sue,Susie Sylvia Tamara:Tammy
Teresa:Terry,Tess Valerie:Val Vanessa Veronica:Ronnie Victoria:Vicky,Tori Virginia:Ginny Wendy Yolanda Yuki Zoe
"""
_MALE = """
Aaron Abraham:Abe Adrian Ahmed Albert:Al,Bert Alejandro:Alex Alexander:Alex,Sasha Andrew:Andy,Drew Anthony:Tony
Arjun Arthur:Art Benjamin:Ben Bernard:Bernie Brandon Brian Calvin:Cal Carlos Charles:Charlie,Chuck
Christopher:Chris,Kit Clarence Daniel:Dan,Danny Darius David:Dave Dennis Derek Diego Dominic:Dom Donald:Don
Douglas:Doug Edward:Ed,Eddie,Ted Elijah:Eli Emmanuel:Manny Eric Eugene:Gene Felix Francis:Frank Frederick:Fred
Gabriel:Gabe George Gerald:Jerry Gregory:Greg Harold:Harry,Hal Hassan Henry:Hank Hiroshi Howard:Howie Ian
Isaac:Ike Ivan Jacob:Jake James:Jim,Jimmy,Jamie Javier Jeffrey:Jeff Jeremy Jonathan:Jon Jorge Joseph:Joe,Joey
Joshua:Josh Juan Julian Justin Keith Kenneth:Ken,Kenny Kevin Lawrence:Larry Leonard:Len,Lenny Louis:Lou
Lucas:Luke Malik Marcus:Marc Martin:Marty Matthew:Matt Maurice Michael:Mike,Mickey Miguel Nathaniel:Nate Neil
Nicholas:Nick Oliver:Ollie Omar Oscar Patrick:Pat Paul Peter:Pete Philip:Phil Rafael:Rafa Raj Randall:Randy
Raymond:Ray Richard:Rich,Rick,Dick Robert:Bob,Rob,Bobby Roger Ronald:Ron Russell:Russ Samuel:Sam Sean Simon
Stanley:Stan Stephen:Steve Terrence:Terry Theodore:Ted,Theo Thomas:Tom,Tommy Timothy:Tim Tyler Victor:Vic
Vincent:Vince Walter:Walt Wesley:Wes William:Bill,Will,Liam Xavier Zachary:Zach
"""
_FAMILY = """
Abbott Acosta Adams Adler Aguilar Ahmed Alexander Allen Alvarez Anderson Andrade Armstrong Arnold Ashby Atkinson
Bailey Baker Baldwin Banerjee Barnes Barrera Barrett Bauer Beck Becker Bell Bennett Bergman Berry Bishop
Blackwell Blake Boone Bowman Boyd Bradley Brennan Briggs Brooks Brown Bryant Burke Burns Burton Byrne Caldwell
Calhoun Campbell Cardenas Carlson Carpenter Carter Castillo Chandler Chang Chapman Chavez Chen Chowdhury
Christensen Clark Clayton Cohen Coleman Collins Conway Cooper Cordova Cortez Costa Cox Crawford Cruz Cunningham
Curtis Dalton Daniels Davidson Davis Dawson Delgado Dennison Desai Diaz Dixon Dominguez Donovan Douglas Doyle
Drake Duncan Dunn Edwards Ellis Elliott Emerson Erickson Espinoza Evans Farrell Ferguson Fernandez Fields
Fischer Fisher Fitzgerald Fleming Fletcher Flores Ford Foster Fowler Fox Franklin Frazier Freeman Friedman
Fuentes Fuller Gallagher Garcia Gardner Garrett Gibson Gilbert Gill Glover Goldberg Gomez Gonzalez Goodwin
Gordon Graham Grant Graves Green Greene Griffin Gupta Gutierrez Guzman Hale Hall Hamilton Hansen Hardy Harper
Harrington Harris Hart Harvey Hawkins Hayes Henderson Hernandez Herrera Hicks Hoang Hoffman Holland Holloway
Holmes Hopkins Horton Howard Huang Hudson Huffman Hughes Hunter Hussein Ibarra Ingram Iyer Jackson Jacobs Jain
James Jenkins Jensen Jimenez Johansson Johnson Johnston Jones Jordan Joseph Kaplan Kaur Keller Kelley Kelly
Kennedy Khan Kim King Klein Knight Kowalski Kramer Krueger Kumar Lambert Lane Larson Lawrence Lawson Lee Leon
Levine Lewis Lindgren Little Lloyd Logan Lopez Lowe Lucas Lynch Lyons MacDonald Mack Maldonado Malone Manning
Marin Marquez Marsh Marshall Martin Martinez Mason Mathews Maxwell Mccarthy Mccoy Mcdonald Mckenzie Medina Mehta
Mendez Mendoza Meyer Miller Mills Mitchell Molina Montgomery Montoya Moore Morales Moran Moreno Morgan Morris
Morrison Moss Mueller Mullins Munoz Murphy Murray Myers Nakamura Navarro Neal Nelson Newman Newton Nguyen
Nichols Nielsen Nolan Norris Novak Nunez OBrien OConnor Okafor Oliver Olsen Olson Ortega Ortiz Osborne Owens
Pacheco Padilla Page Palmer Park Parker Parsons Patel Patterson Payne Pearson Pena Perez Perkins Perry Peters
Petersen Peterson Pham Phillips Pierce Pittman Porter Potter Powell Powers Price Quinn Ramirez Ramos Ramsey
Randall Rao Ray Reed Reese Reeves Reid Reyes Reynolds Rhodes Rice Richards Richardson Riley Rios Rivera Roberts
Robertson Robinson Robles Rodriguez Rogers Romero Rosales Rosario Rosen Ross Rossi Rowe Rubio Ruiz Russell Russo
Ryan Salazar Salinas Sanchez Sanders Sandoval Santiago Santos Saunders Sawyer Schmidt Schneider Schroeder
Schultz Schwartz Scott Serrano Shaffer Shah Shapiro Sharma Shaw Shelton Sherman Silva Simmons Simon Simpson Sims
Singh Skinner Smith Snyder Solis Soto Spencer Stanley Stein Stephens Stevens Stewart Stone Strickland Sullivan
Summers Sutton Suzuki Swanson Takahashi Tanaka Tate Taylor Terry Thomas Thompson Thornton Torres Townsend Tran
Trujillo Tucker Turner Underwood Valdez Valencia Valentine Vance Vargas Vasquez Vaughn Vega Velasquez Villa
Villanueva Wagner Walker Wallace Walsh Walters Walton Wang Ward Warner Warren Washington Watkins Watson Watts
Weaver Webb Weber Webster Weiss Welch Wells West Wheeler Whitaker White Whitehead Whitfield Wiggins Wilcox
Wilkins Wilkinson Williams Williamson Willis Wilson Winters Wolf Wong Wood Woods Wright Wu Yamamoto Yang Yates
Yoder Young Yu Zamora Zhang Ziegler Zimmerman
"""


def _given(text: str) -> Mapping[str, tuple[str, ...]]:
    pairs = (word.partition(":") for word in text.split())
    return {name: tuple(short.split(",")) if short else () for name, _, short in pairs}


FEMALE: Mapping[str, tuple[str, ...]] = _given(_FEMALE)
MALE: Mapping[str, tuple[str, ...]] = _given(_MALE)
FAMILY: tuple[str, ...] = tuple(_FAMILY.split())
