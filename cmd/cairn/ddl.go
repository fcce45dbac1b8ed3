package main

import (
	"fmt"
	"strings"

	"github.com/cairnstream/cairn/export/athena"
)

type ddlCmd struct {
	Lake     string `help:"Where the lake is: s3://bucket/prefix." required:"" placeholder:"URL" env:"CAIRN_LAKE"`
	Database string `help:"Name of the Athena database." default:"cairn" env:"CAIRN_DATABASE"`
	From     string `help:"First day of the tables' partitions, YYYY-MM-DD (default: 2013-11-01, when CloudTrail began)." placeholder:"DATE" env:"CAIRN_FROM"`
	output
}

// Run prints the statements, ready to paste into the Athena console one by
// one.
func (c *ddlCmd) Run(e *env) error {
	if !strings.HasPrefix(c.Lake, "s3://") {
		return usageError{fmt.Errorf("--lake %s: Athena reads lakes on S3 only, write s3://bucket/prefix", c.Lake)}
	}
	statements, err := athena.Statements(athena.Options{LakeURL: c.Lake, Database: c.Database, From: c.From})
	if err != nil {
		return usageError{err}
	}
	if c.json() {
		return printJSON(e.out, map[string]any{"statements": statements})
	}
	for _, s := range statements {
		if _, err := fmt.Fprintf(e.out, "-- %s\n%s;\n\n", s.Name, strings.TrimRight(strings.TrimSpace(s.SQL), ";")); err != nil {
			return err
		}
	}
	return nil
}
