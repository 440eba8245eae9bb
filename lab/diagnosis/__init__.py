"""Diagnosis of captures, traces and counters from any machine: this bug or another cause?

Pure functions over files. A trial of the lab is judged by `lab.judgement.verdict`, which knows the scenario, the clocks
and how complete each source is. Nothing of that is known here, so no file is assumed to be complete, and a conclusion
is never stronger than the lines it cites.
"""
