"""Reads lines {id, type, body} and writes {id, reader: parts or an error}: what
Python's readers of forms make of a body. Run by make multipart-readers."""

import base64
import io
import json
import sys

import multipart
import python_multipart
from werkzeug.formparser import FormDataParser


def coded(content):
    return base64.b64encode(content).decode()


def text(value):
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value


def with_python_multipart(kind, body):
    parts = []

    def on_field(field):
        parts.append([text(field.field_name), None, coded(field.value or b"")])

    def on_file(file):
        file.file_object.seek(0)
        parts.append([text(file.field_name), text(file.file_name), coded(file.file_object.read())])

    headers = {"Content-Type": kind.encode(), "Content-Length": str(len(body)).encode()}
    python_multipart.parse_form(headers, io.BytesIO(body), on_field, on_file)
    return parts


def with_werkzeug(kind, body):
    mime, _, rest = kind.partition(";")
    from werkzeug.http import parse_options_header

    mime, options = parse_options_header(kind)
    _, form, files = FormDataParser(silent=False).parse(io.BytesIO(body), mime, len(body), options)
    parts = [[name, None, coded(value.encode("utf-8", "surrogateescape"))] for name, value in form.items(multi=True)]
    for name, file in files.items(multi=True):
        parts.append([name, file.filename, coded(file.stream.read())])
    return parts


def with_multipart(kind, body):
    environ = {"REQUEST_METHOD": "POST", "CONTENT_TYPE": kind, "CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body)}
    forms, files = multipart.parse_form_data(environ, strict=True)
    parts = [[name, None, coded(value.encode("utf-8", "surrogateescape"))] for name, value in forms.iterallitems()]
    parts += [[name, f.filename, coded(f.file.read())] for name, f in files.iterallitems()]
    return parts


READERS = {"python-multipart": with_python_multipart, "werkzeug": with_werkzeug, "multipart": with_multipart}

for line in sys.stdin:
    case = json.loads(line)
    answer = {"id": case["id"]}
    for name, read in READERS.items():
        try:
            answer[name] = read(case["type"], base64.b64decode(case["body"]))
        except Exception as e:  # a reader that refuses is one that is not deceived
            answer[name] = f"error: {type(e).__name__}"
    print(json.dumps(answer))
