package blob

import (
	"context"
	"errors"
)

func openS3(context.Context, string) (Store, error) {
	return nil, errors.New("s3: not yet")
}
