package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/cairnstream/cairn/processor/account"
	"github.com/cairnstream/cairn/state/blob"
)

// accountsFlag names the accounts file.
type accountsFlag struct {
	Accounts string `help:"File that tells alias, owner and environment of your accounts: a path or s3://bucket/key." placeholder:"FILE" env:"CAIRN_ACCOUNTS"`
}

// book reads the accounts file; nil if none is named. An error names every
// mistake with its line.
func (f accountsFlag) book(e *env) (*account.Book, error) {
	if f.Accounts == "" {
		return nil, nil
	}
	data, err := f.read(e.ctx)
	if err != nil {
		return nil, err
	}
	book, err := account.Parse(f.Accounts, data)
	if err != nil {
		return nil, e.eachLine(err, "the accounts file has mistakes")
	}
	return book, nil
}

// read is the file as it is now.
func (f accountsFlag) read(ctx context.Context) (data []byte, err error) {
	if !strings.HasPrefix(f.Accounts, "s3://") {
		if data, err = os.ReadFile(f.Accounts); err != nil {
			return nil, fmt.Errorf("read the accounts of --accounts: %w", err)
		}
		return data, nil
	}
	slash := strings.LastIndexByte(f.Accounts, '/')
	folder, name := f.Accounts[:slash], f.Accounts[slash+1:]
	if folder == "s3:/" || name == "" {
		return nil, usageError{fmt.Errorf("--accounts %s names no object: write s3://bucket/key", f.Accounts)}
	}
	store, err := blob.Open(ctx, folder)
	if err == nil {
		data, _, err = store.Get(ctx, name)
	}
	if err != nil {
		return nil, fmt.Errorf("read the accounts of --accounts %s: %w", f.Accounts, err)
	}
	return data, nil
}
