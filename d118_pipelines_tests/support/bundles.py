"""Synthetic OneRoster CSV sets, and archives that are meant to do harm.

Belongs here: writing them. Not here: what they are read as.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

ENROLLMENTS = (
    "sourcedId,status,dateLastModified,classSourcedId,schoolSourcedId,userSourcedId,"
    "role,primary,beginDate,endDate\n"
)
ORGS = "sourcedId,status,dateLastModified,name,type,identifier,parentSourcedId\n"
USERS_1_1 = (
    "sourcedId,status,dateLastModified,enabledUser,orgSourcedIds,role,username,userIds,"
    "givenName,familyName,middleName,identifier,email,sms,phone,agentSourcedIds,grades,"
    "password\n"
)
USERS_1_2_1 = (
    "sourcedId,status,dateLastModified,enabledUser,username,userIds,givenName,"
    "familyName,middleName,identifier,email,sms,phone,agentSourcedIds,grades,password,"
    "userMasterIdentifier,preferredGivenName,preferredMiddleName,preferredFamilyName,"
    "primaryOrgSourcedId,pronouns\n"
)
ROLES = (
    "sourcedId,status,dateLastModified,userSourcedId,roleType,role,beginDate,endDate,"
    "orgSourcedId,userProfileSourcedId\n"
)
DEMOGRAPHICS = (
    "sourcedId,status,dateLastModified,birthDate,sex,americanIndianOrAlaskaNative,"
    "asian,blackOrAfricanAmerican,nativeHawaiianOrOtherPacificIslander,white,"
    "demographicRaceTwoOrMoreRaces,hispanicOrLatinoEthnicity,countryOfBirthCode,"
    "stateOfBirthAbbreviation,cityOfBirth,publicSchoolResidenceStatus\n"
)
FILES_1_1 = [
    "academicSessions",
    "categories",
    "classes",
    "classResources",
    "courses",
    "courseResources",
    "demographics",
    "enrollments",
    "lineItems",
    "orgs",
    "resources",
    "results",
    "users",
]
FILES_1_2 = [
    "academicSessions",
    "categories",
    "classes",
    "classResources",
    "courses",
    "courseResources",
    "demographics",
    "enrollments",
    "lineItemLearningObjectiveIds",
    "lineItems",
    "lineItemScoreScales",
    "orgs",
    "resources",
    "resultLearningObjectiveIds",
    "results",
    "resultScoreScales",
    "roles",
    "scoreScales",
    "userProfiles",
    "userResources",
    "users",
]
_SHARED = {
    "orgs": ORGS + "D100,,,Example District 100,district,100,\n"
    "S5,,,Example High School,school,5,D100\n",
    "academicSessions": "sourcedId,status,dateLastModified,title,type,startDate,"
    "endDate,parentSourcedId,schoolYear\n"
    "D100-3600,,,2026-27,schoolYear,2026-08-17,2027-06-05,,2027\n"
    "D100-3601,,,S1 2026-27,semester,2026-08-17,2027-01-16,D100-3600,2027\n",
    "courses": "sourcedId,status,dateLastModified,schoolYearSourcedId,title,courseCode,"
    "grades,orgSourcedId,subjects,subjectCodes\n"
    'C-812,,,D100-3600,Algebra I,MAT101,"09,10",D100,Mathematics,MAT\n',
    "classes": "sourcedId,status,dateLastModified,title,grades,courseSourcedId,"
    "classCode,classType,location,schoolSourcedId,termSourcedIds,subjects,subjectCodes,"
    "periods\n"
    '51234,,,Algebra I - 3,"09,10",C-812,MAT101-3,scheduled,Room 12,S5,D100-3601,'
    "Mathematics,MAT,3\n",
    "enrollments": ENROLLMENTS
    + "E-1,,,51234,S5,S-9001,student,,2026-08-17,2027-01-16\n"
    "E-2,,,51234,S5,T-77,teacher,true,2026-08-17,2027-01-16\n",
    "demographics": DEMOGRAPHICS
    + "S-9001,,,2011-05-03,male,false,false,false,false,true,false,false,,,,\n",
}
_STUDENT_IDS = '"{studentNumber:219001},{stateId:123456789}"'
BASE_1_1 = {
    **_SHARED,
    "users": USERS_1_1
    + f'S-9001,,,true,S5,student,219001,{_STUDENT_IDS},Sam,"O\'Neil, Jr.",,219001,'
    "s219001@mail.example,,,,09,\n"
    'T-77,,,true,"S5,D100",teacher,adoe,{staffId:77},Alex,Doe,,77,adoe@mail.example,'
    ",,,,\n",
}
BASE_1_2 = {
    **_SHARED,
    "users": USERS_1_2_1
    + f'S-9001,,,true,219001,{_STUDENT_IDS},Sam,"O\'Neil, Jr.",,219001,'
    "s219001@mail.example,,,,09,,,,,,S5,\n"
    "T-77,,,true,adoe,{staffId:77},Alex,Doe,,77,adoe@mail.example,,,,,,,,,,S5,\n",
    "roles": ROLES
    + "r-1,,,T-77,primary,teacher,,,S5,\n"
    + "r-2,,,T-77,primary,teacher,,,D100,\n"
    + "r-3,,,S-9001,primary,student,,,S5,\n",
}


def manifest(
    files: Mapping[str, object],
    *,
    version: str = "1.1",
    modes: Mapping[str, str] | None = None,
) -> str:
    """A manifest: the files given are bulk, the others absent, or as `modes` says."""
    names = FILES_1_1 if version.startswith("1.1") else FILES_1_2
    lines = [
        "propertyName,value",
        "manifest.version,1.0",
        f"oneroster.version,{version}",
    ]
    for name in names:
        mode = (modes or {}).get(name, "bulk" if name in files else "absent")
        lines.append(f"file.{name},{mode}")
    return "\n".join([*lines, "source.systemName,Example SIS"]) + "\n"


def set_of(
    base: Mapping[str, str | bytes] = BASE_1_1,
    *,
    version: str = "1.1",
    modes: Mapping[str, str] | None = None,
    **changes: str | bytes | None,
) -> dict[str, bytes]:
    """File name -> bytes. `changes` replaces files by name; None leaves one out.

    The manifest follows the files unless `manifest` is given.
    """
    files: dict[str, str | bytes | None] = {**base, **changes}
    files = {name: data for name, data in files.items() if data is not None}
    if "manifest" not in changes:
        files["manifest"] = manifest(files, version=version, modes=modes)
    return {f"{name}.csv": encoded(data) for name, data in files.items()}


def encoded(data: str | bytes | None) -> bytes:
    return data.encode("utf-8") if isinstance(data, str) else data or b""


def write_folder(folder: Path, files: Mapping[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def write_zip(
    path: Path, files: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED
) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data, method)
    return path


def zip_bytes(files: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data, method)
    return buffer.getvalue()


def raw_zip(*members: RawMember) -> bytes:
    """An archive put together by hand, so that every field can lie."""
    body, directory = b"", b""
    for member in members:
        at = len(body) if member.offset is None else member.offset
        body += member.local()
        directory += member.central(at)
    end = struct.pack(
        "<4s4H2LH",
        b"PK\x05\x06",
        0,
        0,
        len(members),
        len(members),
        len(directory),
        len(body),
        0,
    )
    return body + directory + end


class OneWay(io.RawIOBase):
    """A file that can only be written forwards, as a network connection is."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        return self._file.write(data)

    def close(self) -> None:
        self._file.close()
        super().close()


class RawMember:
    """One member; what is not given is as it should be."""

    def __init__(
        self,
        name: str,
        data: bytes = b"x",
        *,
        local_name: str | None = None,
        size: int | None = None,
        local_size: int | None = None,
        crc: int | None = None,
        method: int = 8,
        flags: int = 0,
        mode: int = 0,
        offset: int | None = None,
        packed: bytes | None = None,
    ) -> None:
        packer = zlib.compressobj(9, zlib.DEFLATED, -15)
        deflated = packer.compress(data) + packer.flush()
        self.packed = packed or (deflated if method == 8 else data)
        self.name, self.offset = name.encode("utf-8"), offset
        self.local_name = (local_name or name).encode("utf-8")
        self.size = len(data) if size is None else size
        self.local_size = self.size if local_size is None else local_size
        self.crc = zlib.crc32(data) if crc is None else crc
        self.method, self.flags = method, flags | 0x800
        self.attributes = mode << 16

    def local(self) -> bytes:
        fields = (20, self.flags, self.method, 0, 33, self.crc)
        sizes = (len(self.packed), self.local_size, len(self.local_name), 0)
        head = struct.pack("<4s5H3L2H", b"PK\x03\x04", *fields, *sizes)
        return head + self.local_name + self.packed

    def central(self, at: int) -> bytes:
        fields = (0x031E, 20, self.flags, self.method, 0, 33, self.crc)
        sizes = (len(self.packed), self.size, len(self.name), 0, 0, 0, 0)
        head = struct.pack(
            "<4s6H3L5H2L", b"PK\x01\x02", *fields, *sizes, self.attributes, at
        )
        return head + self.name
