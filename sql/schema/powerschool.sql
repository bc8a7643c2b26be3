-- PowerSchool SIS: the part of the schema that this project reads. Oracle syntax.
--
-- Names, types and keys only: a working model for development, tests and the CSV source,
-- not the complete production schema. Production tables have more columns, and text may
-- be longer there; nothing relies on the lengths. The types decide what a query's result
-- looks like (see d118_pipelines/sources/powerschool/schema.py).
--
-- DCID is the unique key of every core table; ID is sequential but not promised to be
-- unique. SCHOOLID columns always hold schools.school_number. '' is NULL in Oracle.
-- The meanings of the codes are in docs/reference/powerschool.md.

CREATE TABLE prefs (
  dcid                NUMBER(10) PRIMARY KEY,
  id                  NUMBER(10),
  name                VARCHAR2(80),    -- district-wide rows: 'districtnumber', 'districtname'
  value               VARCHAR2(4000),  -- may be longer in production
  schoolid            NUMBER(10),
  yearid              NUMBER(10),
  userid              NUMBER(10)
);

CREATE TABLE schools (
  dcid                        NUMBER(10) PRIMARY KEY,
  id                          NUMBER(10),                  -- not used, never a key
  school_number               NUMBER(10) NOT NULL UNIQUE,  -- the key every other SCHOOLID points at
  name                        VARCHAR2(60),
  abbreviation                VARCHAR2(20),
  district_number             NUMBER(10),                  -- no longer used
  alternate_school_number     NUMBER(10),
  low_grade                   NUMBER(10),
  high_grade                  NUMBER(10),
  sortorder                   NUMBER(10),
  state_excludefromreporting  NUMBER(10) DEFAULT 0,        -- 0 = a real building
  issummerschool              NUMBER(10) DEFAULT 0,
  dfltnextschool              NUMBER(10),
  view_in_portal              NUMBER(10),
  principal                   VARCHAR2(79),
  principalemail              VARCHAR2(79),
  principalphone              VARCHAR2(31),
  asstprincipal               VARCHAR2(305),
  asstprincipalemail          VARCHAR2(79),
  asstprincipalphone          VARCHAR2(31),
  schooladdress               VARCHAR2(79),
  schoolcity                  VARCHAR2(79),
  schoolstate                 VARCHAR2(79),
  schoolzip                   VARCHAR2(79),
  schoolphone                 VARCHAR2(79),
  schoolcountry               VARCHAR2(79),
  sif_stateprid               VARCHAR2(32),
  psguid                      VARCHAR2(50),
  transaction_date            TIMESTAMP(6)
);

CREATE TABLE users (
  dcid             NUMBER(10) PRIMARY KEY,
  lastfirst        VARCHAR2(203),
  first_name       VARCHAR2(100),
  middle_name      VARCHAR2(100),
  last_name        VARCHAR2(100),
  preferredname    VARCHAR2(100),
  title            VARCHAR2(40),
  homeschoolid     NUMBER(10),    -- points to schools.school_number (0 = district office)
  teachernumber    VARCHAR2(20),  -- text: leading zeros, blanks and letters occur
  email_addr       VARCHAR2(50),
  loginid          VARCHAR2(20),
  teacherloginid   VARCHAR2(20),
  psaccess         NUMBER(10),    -- 0/1
  ptaccess         NUMBER(10),    -- 0/1
  groupvalue       NUMBER(10),    -- points to gen.id where cat='groups'
  canchangeschool  CLOB,          -- semicolon list of school_numbers
  home_phone       VARCHAR2(30),
  school_phone     VARCHAR2(30),
  street           VARCHAR2(60),
  city             VARCHAR2(100),
  state            VARCHAR2(2),
  zip              VARCHAR2(10),
  sif_stateprid    VARCHAR2(32),
  ethnicity        VARCHAR2(20),  -- no longer used
  fedethnicity     NUMBER(10),    -- -1/0/1/2
  fedracedecline   NUMBER(10),
  psguid           VARCHAR2(50),
  whencreated      TIMESTAMP(6),
  whenmodified     TIMESTAMP(6),  -- does not move on every update
  transaction_date TIMESTAMP(6)   -- moves on every update, NULL on untouched old rows
);

CREATE TABLE schoolstaff (
  dcid             NUMBER(10) PRIMARY KEY,
  id               NUMBER(10) NOT NULL,  -- = sections.teacher, cc.teacherid, sectionteacher.teacherid
  users_dcid       NUMBER(10) NOT NULL,  -- points to users.dcid
  schoolid         NUMBER(10) NOT NULL,  -- points to schools.school_number
  status           NUMBER(10),           -- 1 = Current, 2 = No longer here
  staffstatus      NUMBER(10),           -- 0 Not Assigned, 1 Teacher, 2 Staff, 3 Lunch Staff, 4 Substitute
  sched_department VARCHAR2(10),
  sched_classroom  VARCHAR2(10),
  sched_homeroom   VARCHAR2(10),
  notes            CLOB,
  psguid           VARCHAR2(50),
  whencreated      TIMESTAMP(6),
  whenmodified     TIMESTAMP(6),
  transaction_date TIMESTAMP(6),
  CONSTRAINT schoolstaff_u FOREIGN KEY (users_dcid) REFERENCES users (dcid)
);

CREATE TABLE userscorefields (
  usersdcid               NUMBER(10) PRIMARY KEY,  -- points to users.dcid
  dob                     VARCHAR2(20),            -- text 'MM/DD/YYYY', not a DATE
  gender                  VARCHAR2(20),            -- 'M'/'F', letter case varies
  pscore_legal_first_name  VARCHAR2(100),
  pscore_legal_middle_name VARCHAR2(100),
  pscore_legal_last_name   VARCHAR2(100),
  pscore_legal_gender      VARCHAR2(20),
  pscore_legal_suffix      VARCHAR2(20),
  whencreated             TIMESTAMP(6),
  whenmodified            TIMESTAMP(6)
);

CREATE TABLE s_il_usr_x (  -- Illinois state-reporting extension of USERS
  usersdcid         NUMBER(10) PRIMARY KEY,
  legal_first_name  VARCHAR2(100),
  legal_last_name   VARCHAR2(100),
  iein              VARCHAR2(20),  -- text, '0' = none
  whenmodified      TIMESTAMP(6)
);

-- The check boxes of this table (contractemp, custom_times, time1_*, time2_*) have no
-- published type. They are text here, and the queries read them as text.
CREATE TABLE u_humanresources (  -- custom extension of USERS (one row per user)
  usersdcid            NUMBER(10) PRIMARY KEY,
  personal_email       VARCHAR2(100),
  cellphone            VARCHAR2(30),
  jobtitle             VARCHAR2(100),
  curhiredate          DATE,          -- date of hire
  eeo5class            VARCHAR2(40),
  staff_categorystatus VARCHAR2(40),
  calendar             VARCHAR2(20),  -- SmartFind calendar code; '100' = teacher calendar
  contractemp          VARCHAR2(10),  -- check box: contract employee
  sfe_position         VARCHAR2(40),  -- SmartFind classification code
  custom_times         VARCHAR2(10),  -- check box: custom times allowed
  start_time           VARCHAR2(20),  -- schedule 1; free text on the screen, type not published
  end_time             VARCHAR2(20),  -- schedule 1
  am_time              VARCHAR2(20),  -- schedule 1, "AM Half End Time"
  pm_time              VARCHAR2(20),  -- schedule 1, "PM Half Start Time"
  start_time_2         VARCHAR2(20),
  end_time_2           VARCHAR2(20),
  am_time_2            VARCHAR2(20),
  pm_time_2            VARCHAR2(20),
  time1_monday         VARCHAR2(10),  -- check boxes: days of schedule 1
  time1_tuesday        VARCHAR2(10),
  time1_wednesday      VARCHAR2(10),
  time1_thursday       VARCHAR2(10),
  time1_friday         VARCHAR2(10),
  time2_monday         VARCHAR2(10),  -- check boxes: days of schedule 2
  time2_tuesday        VARCHAR2(10),
  time2_wednesday      VARCHAR2(10),
  time2_thursday       VARCHAR2(10),
  time2_friday         VARCHAR2(10),
  whencreated          TIMESTAMP(6),
  whenmodified         TIMESTAMP(6)
);

CREATE VIEW teachers AS  -- reporting view, one row per (person, school)
SELECT ss.dcid, ss.id, ss.users_dcid, ss.schoolid, ss.status, ss.staffstatus,
       u.lastfirst, u.first_name, u.middle_name, u.last_name, u.preferredname, u.title,
       u.homeschoolid, u.teachernumber, u.email_addr, u.loginid, u.teacherloginid,
       u.psaccess, u.ptaccess, u.groupvalue, u.home_phone, u.school_phone,
       u.street, u.city, u.state, u.zip, u.sif_stateprid, u.ethnicity, u.fedethnicity,
       ss.sched_department, ss.sched_classroom, ss.sched_homeroom
FROM users u JOIN schoolstaff ss ON ss.users_dcid = u.dcid;

CREATE TABLE terms (
  dcid             NUMBER(10) PRIMARY KEY,
  id               NUMBER(10) NOT NULL,  -- unique only together with schoolid
  name             VARCHAR2(30),
  abbreviation     VARCHAR2(6),
  firstday         DATE,
  lastday          DATE,
  yearid           NUMBER(10),
  schoolid         NUMBER(10) NOT NULL,
  noofdays         NUMBER(10),
  yearlycredithrs  FLOAT,
  termsinyear      NUMBER(10),
  portion          NUMBER(10),           -- 1 year, 2 semester, 3 trimester, 4 quarter, 6 hexter, 8 eighth
  importmap        VARCHAR2(20),
  autobuildbin     NUMBER(10),
  isyearrec        NUMBER(10),
  periods_per_day  NUMBER(10),
  days_per_cycle   NUMBER(10),
  attendance_calculation_code NUMBER(10),
  sterms           NUMBER(10),
  suppresspublicview NUMBER(10),
  psguid           VARCHAR2(50),
  transaction_date TIMESTAMP(6),
  CONSTRAINT terms_uk UNIQUE (schoolid, id)
);

CREATE TABLE courses (
  dcid             NUMBER(10) PRIMARY KEY,
  id               NUMBER(10),
  course_number    VARCHAR2(20) NOT NULL,
  course_name      VARCHAR2(100),
  code             VARCHAR2(20),
  credittype       VARCHAR2(20),  -- free text per district
  credit_hours     FLOAT,
  schoolid         NUMBER(10),    -- 0 = district-wide course
  sched_department VARCHAR2(10),
  sched_coursesubjectareacode VARCHAR2(20),
  sched_lunchcourse NUMBER(10),
  status           NUMBER(10),
  excludefromgpa   NUMBER(10),
  psguid           VARCHAR2(50),
  transaction_date TIMESTAMP(6)
);

CREATE TABLE sections (
  dcid             NUMBER(10) PRIMARY KEY,
  id               NUMBER(10) NOT NULL UNIQUE,  -- cc.sectionid / sectionteacher.sectionid point here
  section_number   VARCHAR2(10),
  course_number    VARCHAR2(20),                -- points to courses.course_number
  teacher          NUMBER(10),                  -- points to schoolstaff.id (lead teacher)
  termid           NUMBER(10),                  -- points to terms.id (same schoolid)
  schoolid         NUMBER(10),
  no_of_students   NUMBER(10),
  maxenrollment    NUMBER(10),
  room             VARCHAR2(20),
  expression       VARCHAR2(80),                -- for example '3(A)', '1-2(A-B)'
  external_expression VARCHAR2(1000),
  grade_level      NUMBER(10),                  -- the digits of a grade range (345 = 3-5)
  noofterms        NUMBER(10),
  section_type     VARCHAR2(2),
  team             VARCHAR2(20),
  dependent_secs   CLOB,
  parent_section_id NUMBER(10),
  attendance_type_code NUMBER(10),
  exclude_state_rpt_yn NUMBER(10),
  exclude_ada      NUMBER(10),
  gradebooktype    NUMBER(10),
  psguid           VARCHAR2(50),
  transaction_date TIMESTAMP(6)
);

CREATE TABLE roledef (
  id               NUMBER(19) PRIMARY KEY,
  rolemoduleid     NUMBER(19) NOT NULL,
  name             VARCHAR2(100) NOT NULL,
  rolekey          VARCHAR2(500) NOT NULL,
  description      VARCHAR2(1024),
  islocked         NUMBER(1) DEFAULT 0,
  isvisible        NUMBER(1) DEFAULT 1,
  isenabled        NUMBER(1) DEFAULT 1,
  sortorder        NUMBER(19) DEFAULT 0,
  canscheduleexports NUMBER(1) DEFAULT 0,
  whocreated VARCHAR2(100), whencreated TIMESTAMP(6), whomodified VARCHAR2(100), whenmodified TIMESTAMP(6)
);

CREATE TABLE sectionteacher (
  id               NUMBER(10) PRIMARY KEY,
  teacherid        NUMBER(10) NOT NULL,  -- points to schoolstaff.id
  sectionid        NUMBER(10) NOT NULL,  -- points to sections.id
  roleid           NUMBER(10) NOT NULL,  -- points to roledef.id
  start_date       TIMESTAMP(6),
  end_date         TIMESTAMP(6),
  allocation       NUMBER(10,2),
  priorityorder    NUMBER(10),
  sectionnickname  VARCHAR2(40),
  notes            CLOB,
  whocreated VARCHAR2(100), whencreated TIMESTAMP(6), whomodified VARCHAR2(100), whenmodified TIMESTAMP(6),
  transaction_date TIMESTAMP(6)
);

CREATE TABLE students (
  dcid             NUMBER(10) PRIMARY KEY,
  id               NUMBER(10) NOT NULL UNIQUE,  -- cc.studentid / reenrollments.studentid point here
  student_number   FLOAT,                       -- arrives as 220001.0
  state_studentnumber VARCHAR2(32),             -- Illinois SIS id
  lastfirst        VARCHAR2(203),
  first_name       VARCHAR2(100),
  middle_name      VARCHAR2(100),
  last_name        VARCHAR2(100),
  gender           VARCHAR2(2),                 -- 'M'/'F'
  dob              DATE,                        -- a DATE here, text for staff
  grade_level      NUMBER(10),                  -- 0 = K, negative = pre-K, 99 = graduate
  enroll_status    NUMBER(10),                  -- -1 pre-registered, 0 active, 1 inactive, 2 transferred, 3 graduated, 4 historical
  schoolid         NUMBER(10),                  -- points to schools.school_number; 999999 graduated
  enrollment_schoolid NUMBER(10),
  next_school      NUMBER(10),
  summerschoolid   NUMBER(10),
  entrydate        DATE,
  exitdate         DATE,                        -- the day after the last day attended
  entrycode        VARCHAR2(20),
  exitcode         VARCHAR2(20),
  districtentrydate DATE,
  schoolentrydate  DATE,
  fteid            NUMBER(10),
  track            VARCHAR2(20),                -- A-H or blank
  classof          NUMBER(10),
  sched_yearofgraduation NUMBER(10),
  home_room        VARCHAR2(60),
  team             VARCHAR2(10),
  house            VARCHAR2(10),
  street           VARCHAR2(60), city VARCHAR2(50), state VARCHAR2(2), zip VARCHAR2(10),
  mailing_street   VARCHAR2(60), mailing_city VARCHAR2(50), mailing_state VARCHAR2(2), mailing_zip VARCHAR2(10),
  home_phone       VARCHAR2(30),
  ethnicity        VARCHAR2(20),
  fedethnicity     NUMBER(10),                  -- -1/0/1/2
  fedracedecline   NUMBER(10),
  lunchstatus      VARCHAR2(11),                -- blank, P, R, F, E, T, FDC
  lunch_id         FLOAT,
  student_web_id   VARCHAR2(50),
  student_allowwebaccess NUMBER(10),
  state_excludefromreporting NUMBER(10),
  enrollmenttype   VARCHAR2(2),
  districtofresidence VARCHAR2(20),
  psguid           VARCHAR2(50),
  transaction_date TIMESTAMP(6)
);

CREATE TABLE cc (
  dcid             NUMBER(10) PRIMARY KEY,
  id               NUMBER(10) NOT NULL,
  studentid        NUMBER(10) NOT NULL,  -- points to students.id
  sectionid        NUMBER(10) NOT NULL,  -- points to sections.id; negated when the class is dropped
  termid           NUMBER(10) NOT NULL,  -- points to terms.id; negated when the class is dropped
  schoolid         NUMBER(10),
  course_number    VARCHAR2(20),
  section_number   VARCHAR2(10),
  teacherid        NUMBER(10),           -- points to schoolstaff.id
  expression       VARCHAR2(80),
  studyear         NUMBER(10),           -- students.id*100 + yearid
  dateenrolled     DATE,
  dateleft         DATE,                 -- usually term lastday + 1; exclusive end
  currentabsences  NUMBER(10),
  currenttardies   NUMBER(10),
  attendance_type_code NUMBER(10),
  psguid           VARCHAR2(50),
  transaction_date TIMESTAMP(6)
);

CREATE TABLE reenrollments (
  dcid             NUMBER(10) PRIMARY KEY,
  id               NUMBER(10),
  studentid        NUMBER(10) NOT NULL,  -- points to students.id
  schoolid         NUMBER(10),
  grade_level      NUMBER(10),
  entrydate DATE, entrycode VARCHAR2(20), entrycomment CLOB,
  exitdate  DATE, exitcode  VARCHAR2(20), exitcomment  CLOB,
  type             NUMBER(10),           -- 0 system, 1 hand created
  track            VARCHAR2(20),
  fteid            NUMBER(10),
  membershipshare  FLOAT,
  enrollmenttype   VARCHAR2(2),
  enrollmentcode   NUMBER(10),
  districtofresidence VARCHAR2(20),
  lunchstatus      VARCHAR2(11),
  tuitionpayer     NUMBER(10),
  withdrawal_reason_code VARCHAR2(20),
  psguid           VARCHAR2(50)
);

CREATE TABLE studentrace (
  dcid NUMBER(10) PRIMARY KEY, id NUMBER(10), studentid NUMBER(10) NOT NULL, racecd VARCHAR2(20) NOT NULL,
  whencreated TIMESTAMP(6), whenmodified TIMESTAMP(6)
);

CREATE TABLE studentcorefields (  -- extension of STUDENTS, mostly VARCHAR2
  studentsdcid     NUMBER(10) PRIMARY KEY,
  primarylanguage  VARCHAR2(40), secondarylanguage VARCHAR2(40), graduation_year VARCHAR2(10),
  spedlep VARCHAR2(40), homeless_code VARCHAR2(10), guardian VARCHAR2(100),
  pscore_legal_first_name VARCHAR2(100), pscore_legal_middle_name VARCHAR2(100), pscore_legal_last_name VARCHAR2(100),
  pscore_legal_gender VARCHAR2(20), pscore_legal_suffix VARCHAR2(20),
  whencreated TIMESTAMP(6), whenmodified TIMESTAMP(6)
);

CREATE TABLE s_il_stu_x (  -- Illinois extension (one row per student)
  studentsdcid NUMBER(10) PRIMARY KEY, iep NUMBER(1), lep NUMBER(1), lii NUMBER(1), whenmodified TIMESTAMP(6)
);
CREATE TABLE s_il_stu_plan504_x (studentsdcid NUMBER(10) PRIMARY KEY, participant NUMBER(1));
CREATE TABLE s_il_stu_demographics_x (
  studentsdcid NUMBER(10) PRIMARY KEY, fer VARCHAR2(4), legal_first_name VARCHAR2(100), legal_last_name VARCHAR2(100)
);
CREATE TABLE s_stu_crdc_x (studentsdcid NUMBER(10) PRIMARY KEY, giftedtalentedprograms_yn VARCHAR2(1));
CREATE TABLE u_def_ext_students0 (  -- custom
  studentsdcid NUMBER(10) PRIMARY KEY, custom_ethnicity VARCHAR2(1), custom_race VARCHAR2(1), custom_lep VARCHAR2(1),
  simple_gpa NUMBER(6,4), weighted_gpa NUMBER(6,4), el_transitioned VARCHAR2(40), studyhall VARCHAR2(80), totalcurrentcourses NUMBER(10)
);
CREATE TABLE u_studentsuserfields (  -- custom
  studentsdcid NUMBER(10) PRIMARY KEY, homeroom_number VARCHAR2(20), custom_student_email VARCHAR2(100),
  custom_counselor VARCHAR2(100), custom_counselor_email VARCHAR2(100), custom_emergency_contact1_em01 VARCHAR2(100)
);

CREATE TABLE gen (  -- generic code table, legacy table 6
  dcid NUMBER(10) PRIMARY KEY, id NUMBER(10), cat VARCHAR2(20), name VARCHAR2(80),
  value VARCHAR2(80), value2 VARCHAR2(80), valuet CLOB, valuet2 CLOB,
  valueli NUMBER(10), valueli2 NUMBER(10), valueli3 NUMBER(10), valueli4 NUMBER(10), valuer FLOAT, valuer2 FLOAT,
  date_value DATE, date2 DATE, sortorder NUMBER(10), schoolid NUMBER(10), yearid NUMBER(10), spedindicator NUMBER(10)
);

-- "Unlimited contacts" (PowerSchool 12+)
CREATE TABLE codeset (
  codesetid NUMBER(19) PRIMARY KEY, codetype VARCHAR2(100), code VARCHAR2(100), displayvalue VARCHAR2(200),
  description VARCHAR2(1000), reportedvalue VARCHAR2(100), effectivestartdate DATE, effectiveenddate DATE,
  uidisplayorder NUMBER(10), isvisible NUMBER(1)
);
CREATE TABLE person (
  id NUMBER(19) PRIMARY KEY, dcid NUMBER(19), firstname VARCHAR2(100), middlename VARCHAR2(100), lastname VARCHAR2(100),
  prefixcodesetid NUMBER(19), suffixcodesetid NUMBER(19), gendercodesetid NUMBER(19), employer VARCHAR2(100),
  statecontactid VARCHAR2(100), statecontactnumber NUMBER(19), isactive NUMBER(1), excludefromstatereporting NUMBER(1),
  whencreated TIMESTAMP(6), whenmodified TIMESTAMP(6)
);
CREATE TABLE studentcontactassoc (
  studentcontactassocid NUMBER(19) PRIMARY KEY, studentdcid NUMBER(19) NOT NULL, personid NUMBER(19) NOT NULL,
  contactpriorityorder NUMBER(10), currreltypecodesetid NUMBER(19), whenmodified TIMESTAMP(6)
);
CREATE TABLE studentcontactdetail (
  studentcontactdetailid NUMBER(19) PRIMARY KEY, studentcontactassocid NUMBER(19) NOT NULL, relationshiptypecodesetid NUMBER(19),
  relationshipnote VARCHAR2(200), startdate DATE, enddate DATE,
  isactive NUMBER(1) DEFAULT 0, isemergency NUMBER(1) DEFAULT 0, iscustodial NUMBER(1) DEFAULT 0, liveswithflg NUMBER(1) DEFAULT 0,
  schoolpickupflg NUMBER(1) DEFAULT 0, receivesmailflg NUMBER(1) DEFAULT 0, excludefromstatereportingflg NUMBER(1) DEFAULT 0,
  generalcommflag NUMBER(1) DEFAULT 0, confidentialcommflag NUMBER(1) DEFAULT 0, whenmodified TIMESTAMP(6)
);
CREATE TABLE emailaddress (emailaddressid NUMBER(19) PRIMARY KEY, emailaddress VARCHAR2(250), whenmodified TIMESTAMP(6));
CREATE TABLE personemailaddressassoc (
  personemailaddressassocid NUMBER(19) PRIMARY KEY, personid NUMBER(19) NOT NULL, emailaddressid NUMBER(19) NOT NULL,
  emailtypecodesetid NUMBER(19), isprimaryemailaddress NUMBER(1), emailaddresspriorityorder NUMBER(10)
);
CREATE TABLE phonenumber (phonenumberid NUMBER(19) PRIMARY KEY, phonenumber VARCHAR2(40), phonenumberext VARCHAR2(20), issms NUMBER(1));
CREATE TABLE personphonenumberassoc (
  personphonenumberassocid NUMBER(19) PRIMARY KEY, personid NUMBER(19) NOT NULL, phonenumberid NUMBER(19) NOT NULL,
  phonetypecodesetid NUMBER(19), phonenumberpriorityorder NUMBER(10), ispreferred NUMBER(1), phonenumberasentered VARCHAR2(40), whencreated TIMESTAMP(6)
);
-- Portal accounts (parent/student/staff identity)
CREATE TABLE guardian (guardianid NUMBER(19) PRIMARY KEY, firstname VARCHAR2(100), lastname VARCHAR2(100), accountidentifier VARCHAR2(100));
CREATE TABLE guardianpersonassoc (guardianpersonassocid NUMBER(19) PRIMARY KEY, guardianid NUMBER(19), personid NUMBER(19));
CREATE TABLE guardianstudent (guardianstudentid NUMBER(19) PRIMARY KEY, guardianid NUMBER(19), studentsdcid NUMBER(19));
CREATE TABLE pcas_account (pcas_accountid NUMBER(19) PRIMARY KEY, pcas_accounttoken VARCHAR2(100), username VARCHAR2(100), isenabled NUMBER(1));
CREATE TABLE pcas_emailcontact (pcas_emailcontactid NUMBER(19) PRIMARY KEY, pcas_accountid NUMBER(19), emailaddress VARCHAR2(250));
CREATE TABLE pcas_externalaccountmap (
  pcas_externalaccountmapid NUMBER(19) PRIMARY KEY, pcas_accounttoken VARCHAR2(100), applicationusertype VARCHAR2(20),
  openidissuerurl VARCHAR2(250), openiduseraccountid VARCHAR2(250)
);
-- teachersdcid = users.dcid in the next two tables
CREATE TABLE accessteacher (teachersdcid NUMBER(19), accountidentifier VARCHAR2(100));
CREATE TABLE accessadmin (teachersdcid NUMBER(19), accountidentifier VARCHAR2(100));
CREATE TABLE accessstudent (studentsdcid NUMBER(19), accountidentifier VARCHAR2(100));
