"""The report: a table per workload and pictures of the ratios."""

import html
import statistics


def middle(values):
    """Median."""
    return statistics.median(values)


def span(values, digits=2):
    """Median and range."""
    return f"{middle(values):.{digits}f} [{min(values):.{digits}f}–{max(values):.{digits}f}]"


def counted(values):
    """Thousands of instructions, or nothing where there are no counters."""
    known = [v / 1000 for v in values if v is not None]
    return span(known, 1) if known else "–"


def ratios(results, ours, peer, of):
    """One ratio per round: both ran within seconds of each other. Rounds without a figure are left out."""
    pairs = [(of(a), of(b)) for a, b in zip(results[ours], results[peer], strict=True)]
    return [a / b for a, b in pairs if a is not None and b]


# What is compared: head of the column, and how to get it.
COMPARED = [
    ("CPU", lambda w: w.cpu_us),
    ("user instr", lambda w: w.user_instructions),
    ("kernel instr", lambda w: w.kernel_instructions),
    ("requests/s", lambda w: w.rate),
    ("p50", lambda w: w.p50_us),
    ("p99", lambda w: w.p99_us),
]


def loaded(results, ours):
    """The tables of one workload."""
    heads = ["proxy", "CPU µs", "user k instr", "kernel k instr", "requests/s", "p50 µs", "p99 µs"]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for label, windows in results.items():
        lines.append(
            f"| {label} | {span([w.cpu_us for w in windows])} | {counted([w.user_instructions for w in windows])} "
            f"| {counted([w.kernel_instructions for w in windows])} | {span([w.rate for w in windows], 0)} "
            f"| {span([w.p50_us for w in windows], 0)} | {span([w.p99_us for w in windows], 0)} |")
    peers = [label for label in results if label != ours]
    if peers and ours in results:
        lines += ["", f"| {ours} to | {' | '.join(name for name, _ in COMPARED)} |", "|---" * (1 + len(COMPARED)) + "|"]
        for peer in peers:
            found = [ratios(results, ours, peer, of) for _, of in COMPARED]
            lines.append(f"| {peer} | {' | '.join(span(values) if values else '–' for values in found)} |")
    return lines


def growth(everything, ours):
    """How much more the ratio of CPU times is with rules than without."""
    plain, rules = everything.get("ka", {}), everything.get("rules", {})
    for peer in [label for label in rules if label in plain and label != ours and ours in rules and ours in plain]:
        with_rules, without = (middle(ratios(results, ours, peer, lambda w: w.cpu_us)) for results in (rules, plain))
        yield f"With rules the ratio to {peer} is {with_rules / without:.2f} times that of ka."


def idle(results, ours):
    """The table of memory."""
    lines = ["| proxy | bytes per idle client |", "|---|---|"]
    lines += [f"| {label} | {span(values, 0)} |" for label, values in results.items()]
    if ours in results:
        for peer in [label for label in results if label != ours]:
            lines.append(f"| {ours} to {peer} | {span(ratios(results, ours, peer, lambda bytes: bytes))} |")
    return lines


def pictures(everything, memory, ours):
    """Figures of the peers as multiples of ours, by the name of their file."""
    def loads(of):
        return [(f"{workload}, {peer}", ratios(results, ours, peer, lambda w: 1 / of(w)))
                for workload, results in everything.items() if ours in results for peer in results if peer != ours]

    idle_bars = [(peer, ratios(memory, ours, peer, lambda bytes: 1 / bytes))
                 for peer in memory if peer != ours and ours in memory]
    drawn = {
        "cpu": (loads(lambda w: w.cpu_us), "CPU time per request"),
        "p99": (loads(lambda w: w.p99_us), "Latency of the slowest hundredth"),
        "memory": (idle_bars, "Memory per idle client"),
    }
    return {name: (title, picture(bars, f"{title}, as a multiple of {ours}'s"))
            for name, (bars, title) in drawn.items() if bars}


def picture(bars, title):
    """An SVG: a bar for each of these, ours being 1, with its range."""
    row, left, width = 22, 240, 420
    most = max(max(values) for _, values in bars)
    scale = width / max(1.0, most)
    height = row * len(bars) + 50
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 70}" height="{height}" '
             'font-family="sans-serif" font-size="12">',
             '<rect width="100%" height="100%" fill="white"/>',
             f'<text x="8" y="18">{html.escape(title)}</text>']
    for i, (label, values) in enumerate(bars):
        y, mid = 32 + i * row, middle(values)
        parts.append(f'<text x="{left - 8}" y="{y + 13}" text-anchor="end">{html.escape(label)}</text>')
        parts.append(f'<rect x="{left}" y="{y}" width="{mid * scale:.1f}" height="{row - 6}" fill="#4878a8"/>')
        parts.append(f'<line x1="{left + min(values) * scale:.1f}" x2="{left + max(values) * scale:.1f}" '
                     f'y1="{y + 8}" y2="{y + 8}" stroke="black"/>')
        parts.append(f'<text x="{left + max(values) * scale + 6:.1f}" y="{y + 13}">{mid:.2f}</text>')
    parts.append(f'<line x1="{left + scale:.1f}" x2="{left + scale:.1f}" y1="26" y2="{height - 18}" '
                 'stroke="#c03030" stroke-dasharray="4 3"/></svg>')
    return "\n".join(parts)


def write(directory, head, everything, memory, ours, about):
    """Writes `report.md` and its pictures, and returns the report."""
    lines = ["# Benchmark", "", *head, ""]
    for name, (title, drawing) in pictures(everything, memory, ours).items():
        (directory / f"{name}.svg").write_text(drawing)
        lines += [f"![{title}]({name}.svg)", ""]
    for workload, results in everything.items():
        lines += [f"## {workload}", "", about[workload], "", *loaded(results, ours), ""]
        if workload == "rules":
            lines += [*growth(everything, ours), ""]
    if memory:
        lines += ["## idle", "", about["idle"], "", *idle(memory, ours), ""]
    text = "\n".join(lines)
    (directory / "report.md").write_text(text)
    return text
