package policy

import "github.com/tidwall/gjson"

func parse(text []byte) gjson.Result { return gjson.ParseBytes(text) }
