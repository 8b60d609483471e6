module depcheck

go 1.26.0
