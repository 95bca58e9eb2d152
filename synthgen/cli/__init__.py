"""The command line: parses, calls, prints. Nothing heavy is imported before a command needs it."""

import os
import sys

import click

from synthgen import __version__
from synthgen.cli.building import build
from synthgen.cli.evaluating import benchmark, evaluate
from synthgen.cli.inspecting import data, presets, show, verify
from synthgen.cli.options import notice
from synthgen.cli.training import train
from synthgen.errors import Interrupted, SynthgenError, WorkerLost


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(__version__, prog_name="synthgen")
def cli() -> None:
    """Labelled synthetic digits from a conditional GAN, in files that any training job reads, and whether they help.

    \b
    synthgen build --per-class 5000        the whole job, into data/ and manifests/
    synthgen verify manifests/digits.csv   is all of it there and unharmed?
    """  # noqa: D301 (click wants the character itself)


for command in (build, train, evaluate, benchmark, verify, show, data, presets):
    cli.add_command(command)


def main() -> None:
    """Run the command line and end the process with the error's exit code."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ["KERAS_BACKEND"] = "tensorflow"  # whatever the user's other programs run Keras on
    try:
        cli.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        notice("Interrupted.")
        sys.exit(Interrupted.exit_code)
    except SynthgenError as error:
        # by the user: no error
        wanted = isinstance(error, Interrupted) and not isinstance(error, WorkerLost)
        notice(str(error) if wanted else f"Error: {error}")
        sys.exit(error.exit_code)
