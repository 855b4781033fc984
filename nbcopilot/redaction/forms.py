"""Secrets that are known by their place: in URLs, connection strings, command lines, headers and calls that sign in."""

from __future__ import annotations

import re

from nbcopilot.redaction.rule import rule
from nbcopilot.redaction.values import is_literal, is_placeholder, is_random

_STRING = r"(?:[rbufRBUF]{0,2}[\"'][^\"'\n]{0,200}[\"'])"
_OTHER = r"(?:[\w.\[\]()\"' =@:/+-]{1,100}?,\s{0,20})"


def _filled_in(match: re.Match[str]) -> bool:
    return not is_placeholder(match["secret"])


def _in_url(match: re.Match[str]) -> bool:
    secret = match["secret"]
    if is_placeholder(secret) or re.match(r"\d{1,5}/", secret) or re.fullmatch(r"\{.*\}|\$\w+|%s", secret):
        return False
    return not (re.fullmatch(r"\d{2,5}", secret) and "@" not in match[0])


def _random(match: re.Match[str]) -> bool:
    return is_random(match["secret"], 16)


def _not_filled(match: re.Match[str]) -> bool:
    return not is_placeholder(match["secret"] or match["secret_bare"])


def _header(match: re.Match[str]) -> bool:
    return bool(re.search(r"\d|[a-z][A-Z]|=\Z", match["secret"])) and not is_placeholder(match["secret"])


_COMMAND = (
    r"(?:mysql|mysqldump|mysqladmin|mariadb|mariadb-dump|mongo|mongosh|mongodump|sqlcmd|bcp|az|docker|podman|helm|oc|twine|unzip|zip|7z|7za|rar|unrar|sshpass|redis-cli|ldapsearch|ldapadd"
    r"|ldapmodify|htpasswd|expect|vncpasswd|kinit|smbclient|snowsql|influx|clickhouse-client|rclone|pgbouncer|beeline|impala-shell|nmcli|wpa_passphrase|qpdf|pdftk)"
)

RULES = (
    rule(
        "password",
        "://",
        r"(?<![A-Za-z0-9+.-])[A-Za-z][A-Za-z0-9+.-]{0,20}://[^\s:/@'\"`<>{}|?#]{0,100}:(?P<secret>[^\s'\"`<>]{1,200})@(?=[\w\[{%$<(])",
        _in_url,
    ),
    rule("token", "://", r"(?<![A-Za-z0-9+.-])[A-Za-z][A-Za-z0-9+.-]{0,20}://(?P<secret>[A-Za-z0-9_.~-]{16,200})(?::x-oauth-basic|:)?@(?=\w)", _random),
    rule("password", "jdbc: sqlplus cx_oracle oracledb", r"(?:jdbc:oracle:\w{1,10}:|sqlplus(?:[ \t]-\w)?[ \t]{1,4}['\"]?|(?:cx_Oracle|oracledb)\.connect\(['\"])\w{1,60}/(?P<secret>[^\s@'\"]{1,100})(?=@|['\"\s]|\Z)", _filled_in, re.IGNORECASE),
    rule("password", ":", r"^[^\s:#/\"']{1,120}:(?:\d{2,5}|\*):[^\s:]{1,100}:[^\s:]{1,100}:(?P<secret>[^\s:]{3,200})$", _filled_in, re.MULTILINE),
    rule("password", "password", r"\b(?:login|machine|user|account)\s{1,20}\S{1,100}\s{1,20}password\s{1,20}(?P<secret>\S{1,200})", _filled_in),
    rule("bearer-token", "bearer authorization", r"\b(?:Bearer|Authorization['\"]?\]?\s{0,4}[:=]\s{0,4}f?['\"]?(?:Basic|Token|Bearer|ApiKey))\s{1,4}(?P<secret>[A-Za-z0-9._~+/-]{12,4000}={0,2})", _header, re.IGNORECASE),
    # curl -u user:password
    rule("password", "-u --user", r"(?<![\w-])(?:-u[ ]?|--(?:proxy-)?user[ =]{1,2})(?:['\"][^\s:'\"$@]{1,100}:(?P<secret>[^'\"\n]{1,100})['\"]|[^\s:'\"$@]{1,100}:(?P<secret_bare>[^\s'\"]{1,100}))",
         lambda match: _not_filled(match) and not re.match(r"\d+\Z|\$", match["secret"] or match["secret_bare"])),
    rule("password", "-p -a -w --pass", rf"\b{_COMMAND}\b[^\n|;&]{{0,200}}?\s-(?:[pPaw][ ]?|-pass[ =])(?:['\"](?P<secret>[^'\"\n$]{{2,100}})['\"]|(?P<secret_bare>(?!-)[^\s$'\"]{{3,100}})(?=\s|\Z|;))",
         lambda match: _not_filled(match) and (bool(match["secret"]) or (is_literal(match["secret_bare"], words=True) and not re.fullmatch(r"[\d.:]{1,20}|[/~.]\S*", match["secret_bare"])))),
    rule("password", "smbclient -u", r"\bsmbclient\b[^\n]{0,200}?-U[ ]?\S{1,60}%(?P<secret>\S{2,100})", _filled_in),
    rule("password", "-pass", r"-pass(?:in|out)?[ ]pass:(?P<secret>\S{1,200})", _filled_in),
    rule("password", "identified", r"\bIDENTIFIED\s{1,4}(?:WITH\s{1,4}\S{1,60}\s{1,4})?(?:BY|AS)\s{1,4}(?:PASSWORD\s{1,4})?['\"](?P<secret>[^'\"\n]{2,200})['\"]", _filled_in, re.IGNORECASE),
    rule("password", "sudo chpasswd", r"\becho[ ](?:-n[ ])?['\"]?(?P<secret>[^\n'\"|$]{3,100}?)['\"]?[ ]{0,4}\|[ ]{0,4}(?:sudo[ ](?:-\w+[ ])*-S|chpasswd|passwd)", _filled_in),
    rule("api-key", "wandb", r"\bwandb[ ]login[ ](?:--relogin[ ])?(?P<secret>[a-f0-9]{40})\b"),
    # auth=("user", "password") and the calls that sign in
    rule("password", "auth", r"\bauth['\"]?\s{0,4}[=:]\s{0,4}(?:\w+\.)?\w{0,30}\(?\s{0,4}\(?\s{0,4}['\"][^'\"\n]{1,100}['\"]\s{0,4},\s{0,4}['\"](?P<secret>[^'\"\n]{3,200})['\"]", _filled_in),
    rule("password", "auth( auth_( basicauth digestauth ntlmauth plaintextauth credential login( signin( log_in( username_pw_set authenticate(", rf"(?i:\b(?:\w{{0,20}}(?:BasicAuth|DigestAuth|NtlmAuth|basic_auth|Credentials?|AuthProvider)|[\w.]{{0,40}}?\b(?:login|sign_?in|log_in|authenticate|username_pw_set|Auth))\()\s{{0,20}}{_STRING}\s{{0,10}},\s{{0,20}}[rbuRBU]{{0,2}}['\"](?P<secret>[^'\"\n]{{3,200}})['\"]", _filled_in),
    rule("password", "add_password(", rf"add_password\(\s{{0,20}}{_OTHER}{{1,3}}[rbuRBU]{{0,2}}['\"](?P<secret>[^'\"\n]{{3,200}})['\"]\s{{0,10}}\)", _filled_in),
    rule("password", "connect(", rf"\b(?:pymysql|MySQLdb|mysql\.connector|mariadb|pymssql|aiomysql)\.connect\(\s{{0,20}}{_STRING},\s{{0,20}}{_STRING},\s{{0,20}}['\"](?P<secret>[^'\"\n]{{3,200}})['\"]", _filled_in),
    rule("password", "connect(", rf"\b(?:cx_Oracle|oracledb|jaydebeapi|teradatasql|hdbcli\.dbapi|dbapi|fdb)\.connect\(\s{{0,20}}{_STRING},\s{{0,20}}['\"](?P<secret>[^'\"\n]{{3,200}})['\"]", _filled_in),
    rule("secret", "oauth auth( access_token( credential", rf"(?i:\b[\w.]{{0,40}}?(?:OAuth\w{{0,12}}|set_access_token|Auth|\w{{0,20}}Credentials?))\(\s{{0,20}}(?:[\w.]{{1,40}},\s{{0,20}}){{0,3}}(?:{_STRING},\s{{0,20}}){{0,3}}?['\"](?P<secret>[A-Za-z0-9_~.+/=-]{{20,200}})['\"]", _random),
    rule("encryption-key", "fernet(", r"\bFernet\(\s{0,10}b?['\"](?P<secret>[A-Za-z0-9_-]{43}=)['\"]"),
    rule("password", ".send_keys(", r"(?i:passw\w{0,10}|pwd)['\"]?\)\.send_keys\(\s{0,10}['\"](?P<secret>[^'\"\n]{3,200})['\"]", _filled_in),
    rule("kaggle-key", "username", r"['\"]username['\"]\s{0,4}:\s{0,4}['\"][^'\"\n]{1,100}['\"]\s{0,4},\s{0,10}['\"]key['\"]\s{0,4}:\s{0,4}['\"](?P<secret>[0-9a-f]{32})['\"]"),
    rule("signature", "signature= credential= sig=", r"[?&](?i:sig|X-(?:Amz|Goog|Oss)-(?:Signature|Credential|Security-Token))=(?P<secret>[A-Za-z0-9%/+=_.-]{8,2000})"),
)  # fmt: skip
