"""Tells this bug from another by what people can bring: pure functions over files of any machine, in any combination.

What a trial of the lab's own leaves is judged by `lab.verdict`, which knows the scenario, the clocks and how complete
each source is. Here none of that is known: files come from anywhere, so nothing is taken for complete, and a conclusion
is never stronger than the lines it names.
"""
