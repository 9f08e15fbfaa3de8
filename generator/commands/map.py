"""``packmill map``: run a package for every row of a table."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from generator.commands.parser import Commands, command
from generator.commands.toil_options import add_toil_options
from generator.commands.verify_option import add_verify_option, verification

_TEXT = """\
Runs a package for every row of a table and writes a table of results. TABLE is a file: .csv, .tsv, .jsonl, .json (a
list of objects), .geojson (a feature's properties are inputs; its geometry is the input named geometry, if it
exists) or .parquet. --product makes the rows instead: --product year=2019..2023 tile=a,b,c
Columns are inputs. An empty cell leaves an input to its default; paths start at the table's folder. All rows are
checked before anything starts. Values for all rows come from the package's inputs.yml, --job and -p.

DIR gets results.csv (and results.parquet, where pyarrow is installed): a row for each row of the table with its
values, state, reason, time, memory, scraps and the paths of its outputs; and rows/NUMBER with what each row left.
A failed row does not end the others. After any interruption, the same command with --resume runs what is missing or
failed, and no row twice.

Rows run in as many containers as fit this machine, each row in a fresh kernel that is forked from a prepared process.
A row sees no results of another one, but it runs in the same container after others and shares /tmp with them;
--isolate container gives each row its own.

--engine toil runs groups of rows as jobs of a cluster: packmill map PACKAGE TABLE --engine toil --batch-system slurm
Options after -- go to Toil: -- --slurmPartition long"""


def add(commands: Commands) -> None:
    """Add the command."""
    parser = command(commands, "map", "run a package for every row of a table", _TEXT)
    parser.add_argument("package", type=Path, metavar="PACKAGE", help="folder of a package")
    parser.add_argument("table", type=Path, nargs="?", metavar="TABLE", help="file with a row for each run")
    parser.add_argument(
        "--product",
        nargs="+",
        action="extend",
        default=[],
        metavar="NAME=VALUES",
        help="rows for all combinations of lists (a,b,c) and ranges (2019..2023), instead of TABLE",
    )
    parser.add_argument("--job", type=Path, metavar="JOB.yml", help="values of all rows (default: inputs.yml)")
    parser.add_argument(
        "-p",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        dest="values",
        help="one value for all rows; may be given several times",
    )
    parser.add_argument(
        "--outdir", type=Path, default=Path("results"), metavar="DIR", help="folder for results (default: %(default)s)"
    )
    parser.add_argument(
        "--folder-template",
        metavar="TEMPLATE",
        help="names of the rows' folders, with inputs and args.row: '{{ city }}/{{ args.row }}'",
    )
    parser.add_argument(
        "--parallel", type=_positive, metavar="N", help="rows at a time (default: as cores and memory allow)"
    )
    parser.add_argument(
        "--tune",
        action="store_true",
        help="run the first rows only, one at a time; propose cores, memory, time and --parallel from what they use",
    )
    parser.add_argument(
        "--tune-rows", type=_positive, default=5, metavar="N", help="rows that --tune measures (default: %(default)s)"
    )
    parser.add_argument(
        "--engine",
        choices=("auto", "local", "cwltool", "toil"),
        default="auto",
        help="local runs rows in long-lived containers, cwltool each as packmill run does, with the steps that fetch "
        "inputs and deliver results, toil as jobs of a cluster (default: local, unless a row has an address to fetch "
        "or a destination)",
    )
    add_toil_options(parser)
    parser.add_argument(
        "--rows-per-job",
        type=_positive,
        metavar="N",
        help="with toil: rows that a job runs in one container (default: chosen from the time of the first rows)",
    )
    parser.add_argument("--resume", action="store_true", help="keep the results in DIR; run what is missing or failed")
    parser.add_argument(
        "--retry",
        type=_count,
        default=0,
        metavar="N",
        help="further attempts for a row that ran out of memory (with twice the memory) or whose container died",
    )
    parser.add_argument(
        "--max-failures", type=_count, metavar="N", help="start no further rows after more than N failed (default: all)"
    )
    parser.add_argument("--isolate", choices=("container",), help="give each row a container of its own")
    parser.add_argument(
        "--way",
        choices=("auto", "direct", "kernel", "cold"),
        default="auto",
        help="how kernels start (default: %(default)s; see packmill-runner serve --help)",
    )
    parser.add_argument(
        "--report", action="store_true", help="also write report.html: the table with pictures, and a plot"
    )
    add_verify_option(parser)
    parser.add_argument("--trust", action="store_true", help="run parts of the package that packmill does not write")
    parser.add_argument("--json", action="store_true", help="print a summary in JSON on stdout")
    parser.set_defaults(command=run)


def _positive(text: str) -> int:
    return _count(text, least=1)


def _count(text: str, least: int = 0) -> int:
    if not text.isdecimal() or int(text) < least:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least}")
    return int(text)


def run(options: argparse.Namespace) -> int:
    """Run the command; return its exit code."""
    import json

    from generator.containers.limits import container_limits
    from generator.package.map.map import map_package, require_success
    from generator.package.map.planning import MapRequest
    from generator.package.map.tables import product, read_table
    from generator.package.map.tuning_text import describe_proposal
    from generator.progress import Progress
    from generator.request.settings import read_settings
    from generator.shared.errors import UsageError

    if (options.table is None) == (not options.product):
        raise UsageError("give a TABLE, or --product NAME=VALUES…")
    if options.tune and options.parallel:
        raise UsageError("--tune runs rows one at a time and proposes --parallel; omit one of them")
    if options.tune and options.engine == "toil":
        raise UsageError("--tune measures rows on this machine, before they go to a cluster; omit --engine toil")
    settings = read_settings(os.environ)
    network = None
    if settings.walled:
        from generator.image.walls import network_for_steps

        network = network_for_steps(settings, Progress().say)
    summary = map_package(
        MapRequest(
            package=options.package,
            table=read_table(options.table) if options.table else product(options.product),
            folder=options.table.resolve().parent if options.table else Path.cwd(),
            outdir=options.outdir,
            job=options.job,
            values=options.values,
            folder_template=options.folder_template,
            parallel=options.parallel,
            isolated=options.isolate == "container",
            resume=options.resume,
            retries=options.retry,
            max_failures=options.max_failures,
            way=options.way,
            engine=options.engine,
            batch_system=options.batch_system,
            container=options.container,
            rows_per_job=options.rows_per_job,
            options=options.engine_options,
            trust=options.trust,
            verification=verification(options.verify, settings),
            report=options.report,
            tune=options.tune_rows if options.tune else None,
        ),
        limits=container_limits(settings),
        network=network,
        guarded=settings.guard_variables,
    )
    counts = {"rows": summary.rows, "succeeded": summary.succeeded, "failed": summary.failed}
    tuned = {"tune": summary.proposal and summary.proposal.to_dict()} if options.tune else {}
    if options.json:
        written = [str(one) for one in summary.written]
        print(json.dumps({**counts, "missing": summary.missing, "results": written, **tuned}))
    else:
        print(*summary.written, sep="\n")
        if summary.proposal:
            print(describe_proposal(summary.proposal, process=summary.process, left=summary.missing + summary.failed))
    require_success(summary)
    return 0
