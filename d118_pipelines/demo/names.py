"""Made-up names, streets and towns of the demonstration district.

Used by `staff.py` and `students.py`. Some letters are outside ASCII and some outside
cp1252, and a few names have an apostrophe, a hyphen or a space, as in real rosters.
"""

from __future__ import annotations

import random
import unicodedata

_FIRST = """
    Abigail Adaeze Aiko Alejandro Amara Amélie Anders Anh Anya Aoife Arjun Astrid Beatriz
    Björn Bronwyn Camille Carlos Carmen Cedric Chidi Chloé Colette Dalia Damaris Darnell
    Dmitri Eleni Elias Elif Emeka Enrique Esteban Ezra Farah Fatima Felix Fiona François
    Freya Gabriela Greta Guadalupe Gustavo Hana Harriet Hassan Hiroshi Ibrahim Imogen Ines
    Ingrid Isaac Ivan Jamal Jasper Joaquín José Julian Kaito Kamala Karim Keisha Kenji
    Khalil Kofi Lars Leila Linnea Lorenzo Luciana Maja Malik Marcus Marisol Mateo Mei
    Milan Mireille Nadia Naomi Nia Nikolai Noor Olga Omar Oscar Paloma Penelope Petra Priya
    Quentin Rafael Renée Rohan Rosalind Ruben Salma Santiago Selma Simone Sofía Stefan
    Sunita Tariq Tatiana Theo Tomás Ursula Valentina Vera Vikram Winifred Xavier Ximena
    Yara Yolanda Yusuf Zainab Zofia Zoë
"""
_LAST = """
    Abara Abdullah Ackerman Adeyemi Ahlgren Alvarado Amundsen Arroyo Ashworth Bakshi
    Balogun Barragán Beaumont Bergström Bhatt Bogdan Bouchard Brzezinski Caldwell Carvalho
    Castañeda Chavez Cho Cisneros Clarke Cohen Contreras Cruz Dąbrowski Delacroix Desai
    Diallo Donnelly Drummond Dvořák Echevarría Eide Ellingson Estrada Ferreira Fitzgerald
    Fournier Fujimoto Gallagher García Ghosh Gonçalves Grabowski Guerrero Gupta Gutiérrez
    Halvorsen Hamdan Haugen Hernández Hinojosa Hoang Horvat Huang Ibarra Iyer Jabłoński
    Jankowski Jimenez Johansson Kapoor Karlsson Keller Khoury Kim Kowalczyk Krzyżanowski
    Kumar Lambert Larsen Leclerc Lozano Ludwig Łukaszewicz Magnusson Maldonado Marchetti
    Matsuda Mbeki McAllister Medina Mehta Mercado Michalski Mirza Montoya Müller Muñoz
    Nakamura Navarro Ndiaye Nguyen Nowakowski Núñez Nyström Oakley Obregón Ochoa Okafor
    Ortega Osei Pacheco Park Patel Peña Petrov Phan Pineda Quigley Quintero Raghavan
    Ramírez Reyes Rios Rodríguez Rossi Rybak Salazar Sandoval Sato Schaefer Sepúlveda Shah
    Silva Sørensen Stavros Svoboda Szymański Takahashi Tanaka Thorne Toledo Tran Trujillo
    Ueda Underhill Valdez Vargas Villanueva Vogel Vu Wallace Weatherby Wiśniewski Yamada
    Yang Yilmaz Zamora Zelaya Ziegler D'Angelo O'Connell O'Shea N'Diaye Abbott-Reyes
    Carter-Osei Lindqvist-Moore Smith-Kowalska
"""
_STREETS = [
    "Alder",
    "Birch",
    "Cedar",
    "Dogwood",
    "Elm",
    "Fern",
    "Hickory",
    "Juniper",
    "Larch",
    "Maple",
]
_KINDS = ("Ave", "Ct", "Dr", "Ln", "Rd", "St")
FIRST_NAMES = tuple(_FIRST.split())
LAST_NAMES = (*_LAST.split(), "De La Cruz", "Van der Berg")
TOWNS = (("Wauconda", "60084"), ("Island Lake", "60042"), ("Volo", "60073"))


def street(rng: random.Random) -> str:
    """Return a house number and a street."""
    return f"{rng.randrange(1, 990)} {rng.choice(_STREETS)} {rng.choice(_KINDS)}"


def phone(rng: random.Random) -> str:
    """Return a number of the range that is reserved for fiction."""
    return f"847-555-{rng.randrange(100, 200):04}"


def plain(text: str) -> str:
    """Return the lower-case ASCII letters of a name, as e-mail names use them."""
    replaced = text.lower().translate(str.maketrans("łø", "lo"))
    decomposed = unicodedata.normalize("NFKD", replaced)
    return "".join(c for c in decomposed if c.isascii() and c.isalnum())
