"""Made-up names, streets and towns of the demonstration district.

Belongs here: lists of words and ways to pick from them. Not here: anything about tables.
Some letters are outside ASCII and some outside cp1252, and a few names hold an
apostrophe, a hyphen or a space, because real rosters have all of these.
"""

from __future__ import annotations

import random
import unicodedata

_FIRST = """
    Abigail Adaeze Aiko Alejandro Amara Amélie Anders Andrea Anh Anika Anya Aoife Arjun
    Asha Astrid Ayumi Beatriz Benedikt Björn Brennan Bronwyn Calista Camille Carlos Carmen
    Cedric Chidi Chloé Claudia Colette Cormac Dagny Dalia Damaris Darnell Delphine Dmitri
    Edwina Eleni Elias Elif Eloise Emeka Enrique Esperanza Esteban Ezra Farah Fatima
    Felix Fiona François Freya Gabriela Gareth Genevieve Giulia Greta Guadalupe Gustavo
    Hana Harriet Hassan Helena Hiroshi Ibrahim Ichika Ilse Imogen Ines Ingrid Isaac Isadora
    Ivan Jacinta Jamal Jana Jasper Joaquín José Josephine Julian Kaito Kamala Karim
    Katarzyna Keisha Kenji Khalil Kofi Lars Laszlo Leila Leon Leticia Linnea Lorenzo
    Luciana Ludmila Magdalena Maja Malik Marcus Marisol Martina Mateo Maximilian Mei Mercy
    Milan Mireille Nadia Naomi Natalia Nia Nikolai Noor Olga Omar Oscar Paloma Paolo Penelope
    Petra Priya Quentin Rafael Ramona Renée Rhiannon Rohan Rosalind Ruben Sabine Salma
    Santiago Sasha Selma Simone Sofía Solveig Soren Stefan Sunita Tariq Tatiana Thaddeus
    Theo Tomás Ursula Valentina Vera Vikram Violeta Wendell Winifred Xavier Ximena Yara
    Yolanda Yusuf Zainab Zofia Zoë
"""
_LAST = """
    Abara Abdullah Ackerman Adeyemi Ahlgren Aldana Alvarado Amundsen Andrzejewski Arroyo
    Ashworth Bakshi Balogun Barragán Beaumont Bergström Bhatt Blaszczyk Bogdan Bouchard
    Brzezinski Caldwell Campbell Carvalho Castañeda Cervantes Chandrasekhar Chavez Cho
    Cisneros Clarke Cohen Contreras Cruz Czarnecki Dąbrowski Delacroix Delgado Desai Diallo
    Dombrowski Donnelly Drummond Dvořák Eastman Echevarría Eide Ekström Ellingson Estrada
    Ferreira Figueroa Fitzgerald Fournier Fujimoto Gallagher García Ghosh Gonçalves
    Grabowski Guerrero Gunnarsson Gupta Gutiérrez Hagen Halvorsen Hamdan Haugen Hernández
    Hinojosa Hoang Holloway Horvat Huang Ibarra Ihejirika Iyer Jabłoński Jankowski Jaramillo
    Jimenez Johansson Kaczmarek Kapoor Karlsson Kawamura Keller Khoury Kim Kowalczyk
    Krzyżanowski Kumar Kwiatkowski Laforge Lambert Larsen Le Leclerc Lindqvist Lozano
    Ludwig Łukaszewicz Mac Magnusson Maldonado Marchetti Marquardt Matsuda Mbeki McAllister
    McKenna Medina Mehta Mendoza Mercado Messina Michalski Mirza Molina Montoya Moreau
    Müller Muñoz Nakamura Navarro Ndiaye Nguyen Nieminen Nowakowski Núñez Nyström Oakley
    Obregón Ochoa Odhiambo Okafor Olszewski Ortega Osei Pacheco Park Patel Pawlak Peña
    Peralta Petrov Phan Pietrowski Pineda Popescu Quigley Quintero Raghavan Ramírez Reinhardt
    Reyes Rios Rodríguez Rosenthal Rossi Rybak Saavedra Salazar Sandoval Santos Sato
    Schaefer Schumacher Sepúlveda Shah Sienkiewicz Silva Sobczak Sørensen Stavros Stevenson
    Svoboda Szymański Takahashi Tanaka Tapia Thibodeaux Thorne Toledo Torres Tran Trujillo
    Ueda Underhill Valdez Vargas Vasquez Velasco Villanueva Vogel Vu Walczak Wallace
    Weatherby Wieczorek Wiśniewski Wojcik Yamada Yang Yilmaz Zamora Zaragoza Zelaya Ziegler
"""
_STREETS = "Alder Birch Cedar Dogwood Elm Fern Hickory Juniper Larch Maple"
_KINDS = ("Ave", "Ct", "Dr", "Ln", "Rd", "St")
FIRST_NAMES = tuple(_FIRST.split())
LAST_NAMES = (
    *_LAST.split(),
    "D'Angelo",
    "O'Connell",
    "O'Shea",
    "N'Diaye",
    "Abbott-Reyes",
    "Carter-Osei",
    "Lindqvist-Moore",
    "Smith-Kowalska",
    "De La Cruz",
    "Van der Berg",
)
TOWNS = (("Wauconda", "60084"), ("Island Lake", "60042"), ("Volo", "60073"))


def street(rng: random.Random) -> str:
    """Return a house number and a street."""
    return (
        f"{rng.randrange(1, 990)} {rng.choice(_STREETS.split())} {rng.choice(_KINDS)}"
    )


def phone(rng: random.Random) -> str:
    """Return a number of the range that is reserved for fiction."""
    return f"847-555-{rng.randrange(100, 200):04}"


def plain(text: str) -> str:
    """Return the lower-case ASCII letters of a name, as e-mail names use them."""
    replaced = text.lower().translate(str.maketrans("łø", "lo"))
    decomposed = unicodedata.normalize("NFKD", replaced)
    return "".join(c for c in decomposed if c.isascii() and c.isalnum())
