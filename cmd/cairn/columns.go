package main

import (
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// columns renders a row of the lake as a JSON object whose members are the
// table's columns, in their order. Times are RFC 3339 in UTC; NULL is null.
type columns struct{ row any }

// MarshalJSONTo writes the object.
func (c columns) MarshalJSONTo(e *jsontext.Encoder) error {
	return encode(e, reflect.ValueOf(c.row), false)
}

// allColumns wraps each row of a list.
func allColumns[T any](rows []T) []columns {
	out := make([]columns, len(rows))
	for i := range rows {
		out[i] = columns{&rows[i]}
	}
	return out
}

func encode(e *jsontext.Encoder, v reflect.Value, isTime bool) error {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return e.WriteToken(jsontext.Null)
		}
		return encode(e, v.Elem(), isTime)
	case reflect.Struct:
		return encodeStruct(e, v)
	case reflect.Slice:
		return encodeList(e, v)
	case reflect.Map:
		return encodeMap(e, v)
	case reflect.String:
		return e.WriteToken(jsontext.String(v.String()))
	case reflect.Bool:
		return e.WriteToken(jsontext.Bool(v.Bool()))
	case reflect.Float64:
		return e.WriteToken(jsontext.Float(v.Float()))
	}
	if isTime {
		return e.WriteToken(jsontext.String(time.UnixMilli(v.Int()).UTC().Format(time.RFC3339Nano)))
	}
	return e.WriteToken(jsontext.Int(v.Int()))
}

func encodeStruct(e *jsontext.Encoder, v reflect.Value) error {
	if err := e.WriteToken(jsontext.BeginObject); err != nil {
		return err
	}
	for i := range v.NumField() {
		name, options, _ := strings.Cut(v.Type().Field(i).Tag.Get("parquet"), ",")
		if err := e.WriteToken(jsontext.String(name)); err != nil {
			return err
		}
		if err := encode(e, v.Field(i), strings.Contains(options, "timestamp")); err != nil {
			return err
		}
	}
	return e.WriteToken(jsontext.EndObject)
}

func encodeList(e *jsontext.Encoder, v reflect.Value) error {
	if err := e.WriteToken(jsontext.BeginArray); err != nil {
		return err
	}
	for i := range v.Len() {
		if err := encode(e, v.Index(i), false); err != nil {
			return err
		}
	}
	return e.WriteToken(jsontext.EndArray)
}

func encodeMap(e *jsontext.Encoder, v reflect.Value) error {
	if err := e.WriteToken(jsontext.BeginObject); err != nil {
		return err
	}
	for _, k := range sortedKeys(v) {
		if err := e.WriteToken(jsontext.String(k)); err != nil {
			return err
		}
		if err := encode(e, v.MapIndex(reflect.ValueOf(k)), false); err != nil {
			return err
		}
	}
	return e.WriteToken(jsontext.EndObject)
}

func sortedKeys(m reflect.Value) []string {
	keys := make([]string, 0, m.Len())
	for _, k := range m.MapKeys() {
		keys = append(keys, k.String())
	}
	slices.Sort(keys)
	return keys
}
