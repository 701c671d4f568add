"""A papermill engine that runs a notebook's cells in this process: no kernel to start, nothing sent over sockets.

papermill still injects the parameters, and writes the notebook. For processes that run one notebook and end: cells see
``__main__`` as their module, as in a kernel.
"""

from __future__ import annotations

import builtins
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager

import nbformat
from IPython.core.displayhook import CapturingDisplayHook
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from papermill.engines import Engine, papermill_engines

NAME = "in-process"


class InProcess(Engine):
    """Cell after cell in one namespace, up to the first error, which stands in the cell's outputs.

    The file is written once, at the end.
    """

    @classmethod
    def execute_managed_notebook(cls, nb_man, kernel_name, **_):
        with _shell() as shell:
            for index, cell in enumerate(nb_man.nb.cells):
                if cell.cell_type != "code" or not cell.source.strip():
                    continue
                cell.outputs, error = _run(shell, cell.source)
                cell.execution_count = index + 1
                if error is not None:
                    nb_man.cell_exception(cell, index, exception=error)
                    return


@contextmanager
def _shell() -> Iterator[InteractiveShell]:
    """A shell with an empty ``__main__``; the old one comes back afterwards."""
    main, hook, display = sys.modules["__main__"], sys.displayhook, getattr(builtins, "display", None)
    InteractiveShell.clear_instance()
    shell = InteractiveShell.instance(user_module=types.ModuleType("__main__"), colors="nocolor")
    shell.history_manager.enabled = False  # type: ignore[union-attr]
    try:
        yield shell
    finally:
        InteractiveShell.clear_instance()
        sys.modules["__main__"], sys.displayhook = main, hook
        setattr(builtins, "display", display)  # noqa: B010 (type checkers do not know it)


def _run(shell: InteractiveShell, source: str) -> tuple[list, BaseException | None]:
    """The outputs of a cell and what stopped it, if anything."""
    shell.user_ns["In"].append(source)  # where a page looks for its parameters cell
    with capture_output() as caught:
        shell.display_trap.hook = CapturingDisplayHook(shell, caught._outputs)  # of a cell's last expression
        result = shell.run_cell(source, store_history=False)
    streams = {"stdout": caught.stdout, "stderr": caught.stderr}
    error = result.error_before_exec or result.error_in_exec
    if error is not None:
        streams.pop("stdout")  # IPython prints the traceback, which is an output of its own
    outputs = [nbformat.v4.new_output("stream", name=name, text=text) for name, text in streams.items() if text]
    for shown in caught.outputs:
        outputs.append(nbformat.v4.new_output("display_data", data=shown.data, metadata=shown.metadata or {}))
    if error is not None:
        trace = shell.InteractiveTB.structured_traceback(type(error), error, error.__traceback__)
        outputs.append(nbformat.v4.new_output("error", ename=type(error).__name__, evalue=str(error), traceback=trace))
    return outputs, error


papermill_engines.register(NAME, InProcess)
