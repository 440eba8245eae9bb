"""Serve the current directory over HTTP, for guests without busybox; runs on Python 2.7 and on Python 3.

Usage: python2 pages.py ADDRESS PORT
"""

import sys

try:
    from http.server import HTTPServer, SimpleHTTPRequestHandler
    from socketserver import ThreadingMixIn
except ImportError:  # Python 2.7
    from BaseHTTPServer import HTTPServer
    from SimpleHTTPServer import SimpleHTTPRequestHandler
    from SocketServer import ThreadingMixIn


class Server(ThreadingMixIn, HTTPServer):
    """HTTP server with one thread per connection and a listen queue for the maximum number of lanes.

    With the library's default of 5 the kernel drops the SYN of a sixth client, which retransmits it after a second.
    """

    daemon_threads = True
    request_queue_size = 128  # SOMAXCONN of 3.10: include/linux/socket.h


Server((sys.argv[1], int(sys.argv[2])), SimpleHTTPRequestHandler).serve_forever()
