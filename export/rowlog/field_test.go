package rowlog

import (
	"reflect"
	"strings"
	"testing"
)

func TestDescribeRefuses(t *testing.T) {
	type inner struct {
		A *string `parquet:"a"`
	}
	tests := []struct {
		name string
		row  any
		want string
	}{
		{"bare optional scalar", struct {
			A string `parquet:"a,optional"`
		}{}, "must be a pointer"},
		{"upper case", struct {
			A string `parquet:"accountId"`
		}{}, "not made of"},
		{"no name", struct {
			A string
		}{}, "not made of"},
		{"the same name twice", struct {
			A string `parquet:"a"`
			B string `parquet:"a"`
		}{}, "occurs twice"},
		{"struct by value", struct {
			A inner `parquet:"a"`
		}{}, "must be a pointer"},
		{"slice without list", struct {
			A []string `parquet:"a"`
		}{}, "option list"},
		{"pointer to a slice", struct {
			A *[]string `parquet:"a,list"`
		}{}, "two ways"},
		{"list of numbers", struct {
			A []int64 `parquet:"a,list"`
		}{}, "strings or structs"},
		{"map of numbers", struct {
			A map[string]int64 `parquet:"a"`
		}{}, "map[string]string"},
		{"NULL-able int32", struct {
			A *int32 `parquet:"a"`
		}{}, "not supported"},
		{"unsigned", struct {
			A uint64 `parquet:"a"`
		}{}, "no column type"},
		{"dictionary of numbers", struct {
			A int64 `parquet:"a,dict"`
		}{}, "does not fit"},
		{"unknown option", struct {
			A string `parquet:"a,snappy"`
		}{}, "does not fit"},
		{"fault in a member", struct {
			A *struct {
				B string `parquet:"B"`
			} `parquet:"a"`
		}{}, "field A: field B"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Describe(reflect.TypeOf(tt.row))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Describe gave %v, want an error with %q", err, tt.want)
			}
		})
	}
}

func TestOrderRefusesUnknown(t *testing.T) {
	fields, err := Describe(reflect.TypeFor[record]())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Order(fields, "nothing"); err == nil {
		t.Error("Order accepted a field that is not there")
	}
	ordered, err := Order(fields, "count", "name")
	if err != nil {
		t.Fatal(err)
	}
	if len(ordered) != len(fields) || ordered[0].Name != "count" || ordered[1].Name != "name" || ordered[2].Name != "label" {
		t.Errorf("order is %v", ordered)
	}
}
