module mimetype

go 1.26.0

require github.com/gabriel-vasile/mimetype v1.4.13
