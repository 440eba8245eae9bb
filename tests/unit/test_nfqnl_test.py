"""The example program's source, extracted from a documentation page."""

from __future__ import annotations

from lab.bench import nfqnl_test

PAGE = (
    '<div class="header">nfqnl_test.c</div>\n'
    '<div class="fragment"><div class="line"><a name="l00001"></a><span class="lineno">    1</span>&#160; </div>\n'
    '<div class="line"><span class="lineno">    2</span>&#160;<b>#include &lt;stdio.h&gt;</b></div>\n'
    '<div class="line"><span class="lineno">   10</span>&#160;        <span class="keywordflow">if</span> (a &lt; 10) '
    'b = <a class="code" href="x.html">c</a>(&quot;2 3&quot;);</div>\n'
    "</div>not of the source"
)


def test_the_source_is_the_pages_code_without_line_numbers() -> None:
    """A line number at a line's start is no C; the comparison would use another program or none."""
    assert nfqnl_test.code_in(PAGE) == ' \n#include <stdio.h>\n        if (a < 10) b = c("2 3");\n'
