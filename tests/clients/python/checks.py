"""Counts checks. A scene ends at its first failure; the scenes after it still run."""

import traceback
from contextlib import contextmanager


class Failed(Exception):
    """A check did not hold."""


class Checks:
    def __init__(self):
        self.passed = 0
        self.scenes = 0
        self.failures = []

    @contextmanager
    def scene(self, name):
        self.scenes += 1
        before = self.passed
        try:
            yield
        except Failed as failure:
            self._fail(name, str(failure))
        except Exception as error:  # an exception of a client fails the scene, not the program
            self._fail(name, "".join(traceback.format_exception(error)))
        else:
            print(f"ok      {name}: {self.passed - before} checks", flush=True)

    def _fail(self, name, text):
        self.failures.append(name)
        print(f"FAILED  {name}\n        {text}", flush=True)

    def equal(self, what, got, wanted):
        if got != wanted:
            raise Failed(f"{what}: got {got!r}, wanted {wanted!r}")
        self.passed += 1

    def that(self, what, holds, seen=None):
        if not holds:
            raise Failed(f"{what} does not hold" + (f": {seen!r}" if seen is not None else ""))
        self.passed += 1

    def contains(self, what, text, *parts):
        for part in parts:
            if part not in text:
                raise Failed(f"{what}: {part!r} is not in {text!r}")
            self.passed += 1

    def raises(self, what, kind, call):
        """Returns the error of exactly this class that the client raises for a response."""
        try:
            result = call()
        except kind as error:
            if type(error) is not kind:
                raise Failed(f"{what}: raised {type(error).__name__}, wanted {kind.__name__}: {error}") from error
            self.passed += 1
            return error
        except Exception as error:
            raise Failed(f"{what}: raised {type(error).__name__}, wanted {kind.__name__}: {error}") from error
        raise Failed(f"{what}: raised nothing, wanted {kind.__name__}; returned {result!r}")

    def refused(self, what, call, status, code, kind=None):
        """Checks class, status and code of a refusal by Azure Resource Manager. Returns the error."""
        # Imported here: Terraform's flow uses this file without these packages.
        from azure.core.exceptions import HttpResponseError

        error = self.raises(what, kind or HttpResponseError, call)
        seen = (error.status_code, error.error.code if error.error else None)
        self.equal(what, seen, (status, code))
        return error

    def summary(self):
        failed = f", {len(self.failures)} scenes failed: {', '.join(self.failures)}" if self.failures else ""
        print(f"{self.passed} checks passed in {self.scenes} scenes{failed}", flush=True)
        return 1 if self.failures else 0
