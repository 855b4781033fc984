"""What a name says of the value that it is given: a password, a key, a token, or nothing that must be hidden.

Names are read by their parts (`dbPassword`, `AWS_SECRET_ACCESS_KEY`, `spring.datasource.password`), so that `compass`
is no password and `tokenizer` no token. Passwords are known in a dozen languages.
"""

from __future__ import annotations

import functools
import re
from typing import Literal

from nbcopilot.redaction.rule import words

Kind = Literal["password", "key", "token", "weak"]

# Where a name may be looked at: each is a part of some name below.
HINTS = (
    "pass", "pwd", "pw", "secret", "key", "token", "cred", "auth", "mdp", "sig", "kennwort", "contrase", "clave", "senha", "wachtwoord",
    "haslo", "hasło", "senord", "пароль", "密码", "密碼", "パスワード", "비밀번호", "cookie", "session", "jwt", "appid", "psk", "sifre", "şifre", "heslo",
    "parola", "adgangskode", "salasana", "schlüssel", "schluessel", "geheim", "accesscode", "mnemonic", "seed", "pat", "dsn", "fernet",
)  # fmt: skip
_PASSWORDS = words(
    "password passwords passwd passwort passwörter passwoerter passphrase passphrases passcode pwd pw pass kennwort contraseña contrasena contraseñas "
    "contrasenas clave claves mdp motdepasse senha senhas wachtwoord haslo hasło lösenord losenord пароль 密码 密碼 パスワード 비밀번호 sifre şifre heslo "
    "parola adgangskode salasana secret secrets clientsecret geheim psk mnemonic seedphrase requirepass masterauth userpass dbpass sshpass rootpass secretstr"
)
_ENDS = ("password", "passwd", "passwort", "passphrase", "kennwort", "wachtwoord", "pwd", "secret")
# Before "key" (or "schlüssel"): what makes it a key to something.
_OPENING = words(
    "api access secret private auth account service encryption subscription signing master shared app application consumer storage ssh deploy "
    "server function webhook license licence admin client authentication bearer write ingest"
)
_JOINED_KEYS = words(
    "apikey accesskey secretkey privatekey accountkey authkey sharedaccesskey masterkey signingkey encryptionkey subscriptionkey appkey presharedkey "
    "accesscode appid fernet"
)
_VENDORS = words(
    "aws azure openai anthropic google gcp stripe twilio sendgrid mailgun huggingface hf github gitlab slack discord telegram kaggle wandb cohere mistral "
    "groq pinecone datadog newrelic algolia cloudflare heroku openweather owm nasa census fred tiingo quandl alphavantage polygon finnhub newsapi "
    "maps tavily serpapi serper langchain langsmith replicate together deepl comet neptune roboflow mapbox flask django jwt hmac aes"
)
_JOINED_TOKENS = words("authtoken accesstoken refreshtoken bottoken apitoken sessiontoken bearertoken idtoken jwt")
_GRANTING = words(
    "access auth api bearer refresh bot oauth oauth2 personal deploy github gitlab slack hf huggingface npm pypi vault discord telegram service app "
    "security sas session private jupyter ci user login registry docker id jwt hub csrf motherduck x notebookapp serverapp"
)
_WEAK = words(
    "token auth authorization credential credentials creds cookie sessionid sid sig signature session jwt pat dsn key keys"
)
# Parts after the secret word that say that the value is about a secret, not one.
_ABOUT = words(
    "path paths file files filename dir directory folder url urls uri endpoint name names field fields column columns col cols label labels id ids type types "
    "length len size env var prefix suffix format regex pattern hint prompt message msg text title description index idx count counts policy header headers "
    "class hash hashed strategy vocab map expires expiry expired ttl age error errors valid required reset provider manager store version algorithm "
    "iterations encoder cost limit budget usage embedding embeddings mask position per score dist freq frequency classification rate ratio input output "
    "placeholder widget box button form page view validator helper hasher context ring ed ization izer accuracy loss method mode scheme scope scopes number "
    "num scopes words rotation protected less entry manager backend model module package driver plugin func fn callback handler event bits bytes space "
    "server host port user users username arn alias tab press code codes up down pair pairs fingerprint"
)
_NOT_TOKENS = words("max min num n total special pad eos bos unk sep cls mask start end stop new next prev current first last used prompt completion "
                        "input output target source word char sub image text decoder encoder forced per avg mean count")  # fmt: skip
_NOT_KEYS = words(
    "cache sort primary foreign public partition group hash idempotency join s3 object row registry index dict json map sorted hot column"
)
_PART = re.compile(r"[^\W\d_]+|\d+")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


@functools.lru_cache(maxsize=4096)
def kind_of(name: str) -> Kind | None:
    """What a value given to `name` is: "password" (any real value is a secret), "key" (a value that is no word),
    "token" and "weak" (only what looks drawn at random); None for a name that says nothing of the kind."""
    parts = [part.lower() for piece in _CAMEL.split(name) for part in _PART.findall(piece)]
    parts = [part for part in parts if not part.isdigit()]
    found: Kind | None = None
    at = -1
    for i, part in enumerate(parts):
        kind = _of_part(parts, i)
        if kind is not None:
            found, at = kind, i
        elif part == "passe" and parts[max(0, i - 2) : i] == ["mot", "de"]:
            found, at = "password", i
    if found is None or any(part in _ABOUT for part in parts[at + 1 :]):
        return None
    return found


def _of_part(parts: list[str], i: int) -> Kind | None:
    part, before = parts[i], parts[:i]
    last = before[-1] if before else ""
    if part in _PASSWORDS or (part.endswith(_ENDS) and len(part) < 24):
        return "password"
    if part in _JOINED_KEYS:
        return "key"
    if part in ("key", "keys", "schlüssel", "schluessel"):
        if last in _OPENING or last in _PASSWORDS:
            return "key"
        return None if last in _NOT_KEYS else "token" if set(parts) & _VENDORS else "weak"
    if part in _JOINED_TOKENS:
        return "token"
    if part in ("token", "tokens"):
        if last in _NOT_TOKENS:
            return None
        return "token" if set(before) & _GRANTING else "weak"
    return "weak" if part in _WEAK else None
