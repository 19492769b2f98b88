"""The report: a table per workload and a picture of the ratios."""

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
    """One ratio per round: both ran within seconds of each other."""
    return [of(a) / of(b) for a, b in zip(results[ours], results[peer], strict=True)]


def loaded(results, ours):
    """The tables of one workload."""
    lines = ["| proxy | CPU µs | user k instr | kernel k instr | requests/s | p50 µs | p99 µs |", "|---|---|---|---|---|---|---|"]
    for label, windows in results.items():
        lines.append(
            f"| {label} | {span([w.cpu_us for w in windows])} | {counted([w.user_instructions for w in windows])} "
            f"| {counted([w.kernel_instructions for w in windows])} | {span([w.rate for w in windows], 0)} "
            f"| {span([w.p50_us for w in windows], 0)} | {span([w.p99_us for w in windows], 0)} |")
    peers = [label for label in results if label != ours]
    if peers and ours in results:
        lines += ["", f"| {ours} to | CPU | requests/s | p99 |", "|---|---|---|---|"]
        for peer in peers:
            pairs = [ratios(results, ours, peer, of) for of in (lambda w: w.cpu_us, lambda w: w.rate, lambda w: w.p99_us)]
            lines.append(f"| {peer} | {' | '.join(span(p) for p in pairs)} |")
    return lines


def idle(results, ours):
    """The table of memory."""
    lines = ["| proxy | bytes per idle client |", "|---|---|"]
    lines += [f"| {label} | {span(values, 0)} |" for label, values in results.items()]
    if ours in results:
        for peer in [label for label in results if label != ours]:
            lines.append(f"| {ours} to {peer} | {middle(results[ours]) / max(1, middle(results[peer])):.2f} |")
    return lines


def picture(everything, ours):
    """An SVG: per workload a bar of CPU per request for each peer, ours being 1, with its range."""
    bars = []
    for workload, results in everything.items():
        for peer in [label for label in results if label != ours and ours in results]:
            bars.append((f"{workload}, {peer}", ratios(results, ours, peer, lambda w: 1 / w.cpu_us)))
    if not bars:
        return None
    row, left, width = 22, 240, 420
    most = max(max(values) for _, values in bars)
    scale = width / max(1.0, most)
    height = row * len(bars) + 50
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 70}" height="{height}" '
             'font-family="sans-serif" font-size="12">',
             '<rect width="100%" height="100%" fill="white"/>',
             f'<text x="8" y="18">CPU time per request, as a multiple of {html.escape(ours)}\'s</text>']
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
    """Writes `report.md` and `cpu.svg`, and returns the report."""
    lines = ["# Benchmark", "", *head, ""]
    drawing = picture(everything, ours)
    if drawing:
        (directory / "cpu.svg").write_text(drawing)
        lines += ["![CPU per request](cpu.svg)", ""]
    for workload, results in everything.items():
        lines += [f"## {workload}", "", about[workload], "", *loaded(results, ours), ""]
    if memory:
        lines += ["## idle", "", about["idle"], "", *idle(memory, ours), ""]
    text = "\n".join(lines)
    (directory / "report.md").write_text(text)
    return text
