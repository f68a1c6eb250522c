"""What came of a job, as the data of the event `job.finished`. Called by flows/build (deliveries)
and flows/run_tell (runs of the server), so that both tell the same.
"""

from headway.model.job import JobReport, WaiverUse


def job_facts(job: str, report: JobReport) -> dict[str, object]:
    """`job`: its id in the file. `checks` is there only if the job declared reports."""
    steps = [{"name": s.name, "outcome": s.outcome, "exit": s.exit_code} for s in report.steps]
    data: dict[str, object] = {
        "job": report.key,
        "id": job,
        "outcome": report.outcome,
        "seconds": round(report.finished_at - report.started_at, 3),
        "because": report.because,
        "reused": report.reused,
        "steps": steps,
    }
    checks = report.checks
    if checks is not None:
        data["checks"] = {
            "because": checks.because,
            "tests": checks.tests,
            "failed": checks.failed,
            "seconds": round(checks.seconds, 3),
            "forgiven": list(checks.forgiven),
            "line_share": checks.line_share,
            "findings": checks.findings,
            "waived": [_waived(use) for use in checks.waived],
        }
    return data


def _waived(use: WaiverUse) -> dict[str, object]:
    waiver = use.waiver
    return {
        "rule": waiver.rule,
        "at": waiver.at,
        "owner": waiver.owner,
        "reason": waiver.reason,
        "expires": waiver.expires,
        "findings": use.findings,
        "named": list(use.named),
    }
