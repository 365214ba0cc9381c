"""A report as one HTML file: style and charts inside, nothing fetched, made to be printed."""

from importlib import resources
from itertools import count

from markupsafe import Markup, escape

from monitor import __version__
from monitor.charts.client import can_draw
from monitor.config.settings import Model
from monitor.model import Slice, wording
from monitor.model.reasons import Reason
from monitor.model.words import name_kind, tell_reason
from monitor.publish.report.collect import CURVES, Report
from monitor.publish.report.words import name_state, summarise_report, tell_unknowns
from monitor.publish.web.filters import make_environment
from monitor.publish.web.images import link_sample

NO_CHARTS = "Charts need two more packages: pip install 'calwatch[charts]'. The numbers are all here."


def report_page(report: Report, event: str | None = None, model: Model | None = None) -> str:
    """The file's text. ``event``: what the score is the probability of; None where the configuration no longer says.
    ``model``: as configured, for links to the pictures of images.

    Without the extra ``charts`` it has tables and sentences, and says so.
    """
    numbers = count(1)

    def draw(name: str, value: object, label: str) -> Markup:
        if not can_draw():
            return Markup()
        from monitor.publish.report import charts as reportcharts  # heavy, and not always installed

        chart = getattr(reportcharts, name)(value)
        if chart is None:
            return Markup('<p class="empty">{}: nothing to draw.</p>').format(label)
        return Markup(reportcharts.render_inline(chart, next(numbers), str(escape(label))))

    style = (resources.files("monitor.publish.report") / "report.css").read_text("utf-8")
    return _TEMPLATES.get_template("report.html").render(
        report=report, event=event, style=Markup(style), state=name_state(report), summary=summarise_report(report),
        unknowns=list(tell_unknowns(report)), draw=draw, no_charts="" if can_draw() else NO_CHARTS, version=__version__,
        rejected=_by_reason(report), curves_shown=CURVES,
        errors=[(each, link_sample(model, each)) for each in report.errors],
        has_crossed=any(Slice.parse(reading.slice).order == 2 for reading in report.worst),
    )  # fmt: skip


def _by_reason(report: Report) -> list[tuple[int, str, str]]:
    """Refits not accepted: how many of a kind of reason, the newest's last reason, and when."""
    found: dict[tuple[object, ...], list[tuple[str, str]]] = {}
    for job in report.others:
        if job.kind != "recalibrate":
            continue
        reason = job.verdict or (job.why[-1] if job.why else Reason.from_text("no reason recorded"))
        found.setdefault((job.state, name_kind(reason)), []).append(
            (tell_reason(reason), f"{job.scope.text}, {wording.minute(job.requested_at)}")
        )
    return sorted(((len(rows), *rows[0]) for rows in found.values()), reverse=True)


_TEMPLATES = make_environment("monitor.publish.report", "")
