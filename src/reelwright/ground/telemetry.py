"""What an operator watches: every Prometheus metric of ours, declared in this one place and set where it happens."""

from prometheus_client import Counter, Gauge

ADMISSION_DRIFT = Gauge(
    "reelwright_admission_drift_units",
    "Units by which Redis and PostgreSQL differed when they were last compared, over all accounts compared.",
    ["counter"],
)
ADMISSION_REPAIRS = Counter(
    "reelwright_admission_repairs", "Accounts whose counters in Redis were set to what PostgreSQL counted."
)
ADMISSION_UNCONFIRMED = Counter(
    "reelwright_admission_unconfirmed",
    "Admissions whose confirmation was overdue, by what the sweep found in PostgreSQL.",
    ["outcome"],
)
