"""Secrets that are known by their own form, wherever they stand: tokens with the prefix of a vendor, key blocks, JWTs.

One row a kind: label, the words without which it is not looked for, the form. Prefixes are those that the vendors
document. What detect-secrets knows besides is used from there (detectors.py).
"""

from __future__ import annotations

import re

from nbcopilot.redaction.rule import Judgement, Rule, believe, rule
from nbcopilot.redaction.values import is_random

_LEFT = r"(?<![A-Za-z0-9_-])"
_RIGHT = r"(?![A-Za-z0-9_])"


def _random(match: re.Match[str]) -> bool:
    return is_random(match[0])


def _openai(match: re.Match[str]) -> bool:
    """Digits and both cases, or hexadecimal throughout: a key, not a CSS class such as `sk-estimator-id-1`."""
    text = match[0]
    if re.fullmatch(r"sk-(?:or-v1-)?[a-f0-9]{32,}", text):
        return True
    return is_random(text) and text != text.lower() and text != text.upper()


def _new_vendor(match: re.Match[str]) -> bool:
    text = match["secret"]
    return (
        is_random(text, 24, 3.8) and bool(re.search(r"\d.*\d", text)) and text != text.lower() and text != text.upper()
    )


def _token(label: str, hints: str, body: str, accept: Judgement = believe) -> Rule:
    return rule(label, hints, f"{_LEFT}(?:{body}){_RIGHT}", accept)


RULES = (
    rule(
        "private-key",
        "private",
        r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----(?P<secret>(?:(?!-----(?:END|BEGIN)).)+)",
        flags=re.DOTALL,
    ),
    rule("private-key", "private-lines", r"Private-Lines: \d{1,4}\s(?P<secret>[A-Za-z0-9+/=\s]{20,8000})(?=Private-MAC|\Z)"),
    _token("age-key", "age-secret-key-", r"AGE-SECRET-KEY-1[A-Z0-9]{20,80}"),
    _token("aws-key", "akia asia a3t abia acca", r"(?:A3T[A-Z0-9]|ABIA|ACCA|AKIA|ASIA)[0-9A-Z]{16}"),
    rule("aws-secret", "akia asia", r"(?:AKIA|ASIA)[0-9A-Z]{16}[^A-Za-z0-9/+](?:[^\n]|\n(?!\n)){0,120}?(?<![A-Za-z0-9/+])(?P<secret>(?=[a-zA-Z0-9/+]{0,39}[a-z])(?=[a-zA-Z0-9/+]{0,39}[A-Z])[A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])"),
    rule("aws-session", "iqojb3jpz2lux2vj fwogzxivyxdz", r"(?<![A-Za-z0-9+/])(?:IQoJb3JpZ2luX2Vj|FwoGZXIvYXdz)[A-Za-z0-9+/=%]{40,4000}"),
    rule("azure-key", "==", r"(?<![A-Za-z0-9+/-])(?P<secret>(?=[A-Za-z+/]{0,80}\d)[A-Za-z0-9+/]{86}==)"),
    rule("azure-secret", "q~", r"(?<![A-Za-z0-9_~.-])[A-Za-z0-9_~.-]{3}\dQ~[A-Za-z0-9_~.-]{31,34}"),
    _token("alibaba-key", "ltai", r"LTAI[A-Za-z0-9]{12,26}", _random),
    _token("tencent-key", "akid", r"AKID[A-Za-z0-9]{28,36}", _random),
    _token("google-key", "aiza ya29. gocspx- 1//0", r"AIza[0-9A-Za-z_-]{35}|ya29\.[0-9A-Za-z_-]{20,2000}|GOCSPX-[\w-]{20,40}|1//0[\w-]{40,200}"),
    _token("github-token", "ghp_ gho_ ghu_ ghs_ ghr_ github_pat_", r"gh[pousr]_[A-Za-z0-9]{30,255}|github_pat_\w{22,255}"),
    _token("gitlab-token", "gl", r"gl(?:pat|dt|rt|cbt|ptt|ft|imt|agent|oas|soat|ffct|rtr)-[A-Za-z0-9_.-]{20,300}|GR1348941[\w-]{20,40}"),
    _token("openai-key", "sk-", r"sk-(?:proj-|svcacct-|admin-|ant-|or-|None-)?[A-Za-z0-9_-]{20,300}", _openai),
    _token("huggingface-token", "hf_ api_org_", r"(?:hf|api_org)_[A-Za-z0-9]{30,60}"),
    _token("model-provider-key", "gsk_ xai- pplx- r8_ fw_ nvapi- tvly- pcsk_ lsv2_ jina_ fc- e2b_ esecret_ csk- sk_ kgat_ wandb_v1_ hl_ bfl_",
           r"gsk_[A-Za-z0-9]{40,60}|xai-[A-Za-z0-9]{60,100}|pplx-[A-Za-z0-9]{40,60}|r8_[A-Za-z0-9]{37}|fw_[A-Za-z0-9]{20,40}|nvapi-[\w-]{50,80}"
           r"|tvly-(?:dev-|prod-)?[A-Za-z0-9]{28,40}|pcsk_[A-Za-z0-9]{4,8}_[A-Za-z0-9]{40,80}|lsv2_(?:pt|sk)_[a-f0-9]{32}_[a-f0-9]{10}|jina_[A-Za-z0-9]{40,80}"
           r"|fc-[a-f0-9]{32}|e2b_[a-f0-9]{40}|esecret_[a-z0-9]{20,40}|csk-[a-z0-9]{40,60}|sk_[a-f0-9]{48}|KGAT_[a-f0-9]{32}|wandb_v1_\w{40,120}", _random),
    rule("slack-token", "xox xapp- xwfp-", r"(?<![A-Za-z0-9_-])(?:xox[abceoprs]|xapp|xwfp)(?:\.xox[bp])?-[A-Za-z0-9-]{10,300}"),
    rule("webhook", "hooks.slack.com", r"hooks\.slack\.com/(?:services|workflows|triggers)/(?P<secret>[A-Za-z0-9/_-]{20,120})"),
    rule("webhook", "/api/webhooks/", r"discord(?:app)?\.com/api/webhooks/\d{10,25}/(?P<secret>[\w-]{40,100})"),
    rule("webhook", "/incomingwebhook/", r"/IncomingWebhook/(?P<secret>[a-f0-9]{32}(?:/[\w-]{10,60}){0,2})", flags=re.IGNORECASE),
    rule("webhook", "hooks.zapier.com", r"hooks\.zapier\.com/hooks/catch/(?P<secret>\d{3,12}/[A-Za-z0-9]{4,20})"),
    rule("node-key", "infura.io alchemy.com quiknode", r"(?:infura\.io|alchemy\.com|quiknode\.pro)/(?:v\d/|ws/v\d/)?(?P<secret>[A-Za-z0-9_-]{28,64})"),
    rule("telegram-token", ":aa", r"(?<!\d)\d{8,10}:AA[\w-]{33}(?![\w-])"),
    rule("discord-token", ".", r"(?<![\w.-])[MNO][A-Za-z0-9_-]{23,27}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,40}(?![\w-])", _random),
    _token("package-token", "npm_ pypi- dckr_ rubygems_ oy2 cio akcp dckr_oat_ clojars_",
           r"npm_[A-Za-z0-9]{36}|pypi-Ag[\w-]{50,600}|dckr_(?:pat|oat)_[\w-]{20,60}|rubygems_[a-f0-9]{48}|oy2[a-z0-9]{43}|cio[A-Za-z0-9]{32}|AKCp[A-Za-z0-9]{60,80}|CLOJARS_[a-z0-9]{60}", _random),
    rule("sendgrid-key", "sg.", r"(?<![\w.-])SG\.[\w-]{16,32}\.[\w-]{16,64}"),
    _token("mail-key", "key- xkeysib- xsmtpsib- -us md-", r"key-[a-f0-9]{32}|x(?:keysib|smtpsib)-[a-f0-9]{64}-[A-Za-z0-9]{16}|[a-f0-9]{32}-us\d{1,2}|md-[A-Za-z0-9_-]{22}|[a-f0-9]{32}-[a-f0-9]{8}-[a-f0-9]{8}", _random),
    _token("stripe-key", "k_live_ k_test_ whsec_", r"(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{14,250}|whsec_[A-Za-z0-9+/=]{24,80}", _random),
    _token("payment-key", "_live_ _test_ sq0 eaaa access- flwseck rzp_ production$",
           r"(?:pk_secret|live|shippo|duffel|rzp|FLWSECK)_(?:live|test)_[A-Za-z0-9_=-]{14,250}|sq0[a-z]{3}-[\w-]{22,60}|EAAA[\w-]{50,80}|FLWSECK-\w{20,60}-X"
           r"|access-(?:sandbox|development|production)-[a-f0-9-]{36}|access_token\$production\$[a-z0-9]{16}\$[a-f0-9]{32}", _random),
    _token("shopify-token", "shp", r"shp(?:at|ca|pa|ss|ua|ka)_[a-fA-F0-9]{32}"),
    _token("twilio-key", "sk ac", r"SK[a-f0-9]{32}"),
    _token("service-token", "_ - .",
           r"ntn_[A-Za-z0-9]{40,60}|secret_[A-Za-z0-9]{43}|pat[A-Za-z0-9]{14}\.[a-f0-9]{64}|figd_[\w-]{36,60}|PMAK-[a-f0-9]{24}-[a-f0-9]{34}|sl\.[\w-]{100,2000}|lin_(?:api|oauth)_[A-Za-z0-9]{32,64}"
           r"|sntry[su]_[A-Za-z0-9_+/=-]{40,300}|ATATT3[\w=-]{100,300}|ATCTT3[\w=-]{100,300}|ATBB[A-Za-z0-9]{32}|pat-(?:na|eu)\d-[a-f0-9-]{36}|PMAT-[A-Z0-9]{26}|CFPAT-[\w-]{40,60}|tfp_[\w.=-]{40,80}"
           r"|dt0c01\.[A-Z0-9]{24}\.[A-Z0-9]{64}|(?:sdk|api|mob)-[a-f0-9]{8}-[a-f0-9]{4}-4[a-f0-9-]{22}|EZ[AT]K[A-Za-z0-9]{54}|fio-u-[\w=-]{64}|ops_eyJ[\w=-]{200,2000}|IGQ[\w-]{100,300}|EAA[A-Za-z0-9]{80,300}"
           r"|pnu_[A-Za-z0-9]{36}|dbt[cs]_[\w-]{30,80}|fo1_[\w-]{40,60}|fm[12][ar]?_[\w+/=-]{100,2000}|napi_[a-z0-9]{60,70}|nfp_[A-Za-z0-9]{36,40}|rnd_[A-Za-z0-9]{28,40}|HRKU-[\w-]{36,70}|tskey-[a-z]{3,10}-\w{6,20}-\w{20,50}", _random),
    _token("platform-token", "_v1_ dapi hvs. hvb. hvr. .atlasv1. dp. pul- glc_ glsa_ nra nri sbp_ sb_secret_ pscale_ ccipat_ bkua_ sgp_",
           r"do[opr]_v1_[a-f0-9]{64}|dapi[a-f0-9]{32}(?:-\d)?|hv[sbr]\.[\w-]{20,300}|[A-Za-z0-9]{14}\.atlasv1\.[\w-]{50,80}|dp\.(?:pt|st|ct|sa|scim|audit)\.[\w.-]{30,80}|pul-[a-f0-9]{40}"
           r"|glc_[A-Za-z0-9+/=]{32,400}|glsa_[A-Za-z0-9]{32}_[a-fA-F0-9]{8}|NR(?:AK|II|JS|RA)-[\w-]{18,40}|sbp_[a-f0-9]{40}|sb_secret_[\w-]{20,60}|pscale_(?:tkn|pw|oauth)_[\w.=-]{30,70}|CCIPAT_\w{20,90}|bkua_[a-f0-9]{40}|sgp_(?:[a-f0-9]{16}_|local_)?[a-f0-9]{40}", _random),
    rule("asana-token", "/", r"(?<![\w/])[012]/\d{14,18}(?:/\d{14,18})?:[a-f0-9]{32}(?!\w)"),
    rule("mapbox-token", "sk.eyj", r"(?<![\w.-])sk\.eyJ[\w-]{30,300}\.[\w-]{20,60}"),
    rule("jwt", "eyj", r"(?<![A-Za-z0-9_-])(?P<secret>eyJ[A-Za-z0-9_-]{8,4000}\.(?:eyJ)?[A-Za-z0-9_-]{8,8000}(?:\.[A-Za-z0-9_-]{0,4000}){0,3})"),
    rule("password-hash", "$", r"(?<![\w$])(?P<secret>\$(?:apr1|1|2[aby]|5|6|7|y|argon2id?|argon2i|scrypt|pbkdf2-sha\d+)\$[./A-Za-z0-9$=,+]{20,300})"),
    rule("twitter-token", "aaaaaaaaaaaaaaaaaaaa", r"(?<![A-Za-z0-9%])A{20,22}[A-Za-z0-9%]{60,120}(?![A-Za-z0-9%/+])", lambda match: "%" in match[0]),
    # A vendor that is not known yet writes its tokens alike: words, underlines, then letters of both cases and digits.
    rule("token", "_", r"(?<![A-Za-z0-9_+/=.-])[a-z][a-z0-9]{1,12}(?:_[a-z0-9]{1,10}){0,3}_(?P<secret>[A-Za-z0-9]{30,200})(?![A-Za-z0-9_/+=-])", _new_vendor),
)  # fmt: skip
