package blob

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
)

// A response that breaks off inside of its body is not repeated by the SDK.
const bodyTries = 3

// S3 is the store in a bucket, below a prefix.
type S3 struct {
	client         *s3.Client
	bucket, prefix string // the prefix is "" or ends in a slash
}

// openS3 opens "bucket" or "bucket/prefix" with the SDK's own settings: its
// environment and files, AWS_ENDPOINT_URL and AWS_ENDPOINT_URL_S3 included.
// Other endpoints than Amazon's seldom have a host name per bucket, so there
// the bucket goes into the path.
func openS3(ctx context.Context, place string) (Store, error) {
	cfg, err := config.LoadDefaultConfig(ctx, config.WithHTTPClient(awshttp.NewBuildableClient()))
	if err != nil {
		return nil, fmt.Errorf("open store s3://%s: %w", place, err)
	}
	client := s3.NewFromConfig(cfg, func(o *s3.Options) {
		o.UsePathStyle = o.BaseEndpoint != nil
		if o.Region == "" && o.BaseEndpoint != nil {
			o.Region = "us-east-1" // for the signature; such an endpoint has no regions
		}
	})
	if client.Options().Region == "" {
		return nil, fmt.Errorf("open store s3://%s: no AWS region: set AWS_REGION or a region in the AWS configuration file", place)
	}
	return NewS3(client, place)
}

// NewS3 returns the store in a bucket ("bucket") or below a prefix of its keys
// ("bucket/prefix").
func NewS3(client *s3.Client, place string) (*S3, error) {
	bucket, prefix, _ := strings.Cut(place, "/")
	prefix = strings.Trim(prefix, "/")
	if bucket == "" {
		return nil, fmt.Errorf("open store s3://%s: no bucket; use s3://bucket/prefix", place)
	}
	if prefix != "" {
		if err := checkKey(prefix); err != nil {
			return nil, fmt.Errorf("open store s3://%s: %w", place, err)
		}
		prefix += "/"
	}
	return &S3{client: client, bucket: bucket, prefix: prefix}, nil
}

// URL returns "s3://bucket/prefix".
func (s *S3) URL() string { return strings.TrimSuffix("s3://"+s.bucket+"/"+s.prefix, "/") }

func (s *S3) key(key string) (*string, error) {
	if err := checkKey(key); err != nil {
		return nil, err
	}
	return aws.String(s.prefix + key), nil
}

// Get reads the whole object.
func (s *S3) Get(ctx context.Context, key string) ([]byte, string, error) {
	return s.read(ctx, key, nil)
}

// GetRange reads n bytes from off.
func (s *S3) GetRange(ctx context.Context, key string, off, n int64) ([]byte, error) {
	if off < 0 || n < 0 {
		return nil, failed("get range of", key, outside(off, n, 0))
	}
	if n == 0 {
		return []byte{}, checkKey(key) // HTTP has no empty range
	}
	data, _, err := s.read(ctx, key, aws.String(fmt.Sprintf("bytes=%d-%d", off, off+n-1)))
	if err == nil && int64(len(data)) != n {
		err = failed("get range of", key, outside(off, n, off+int64(len(data))))
	}
	return data, err
}

func (s *S3) read(ctx context.Context, key string, byteRange *string) (data []byte, etag string, err error) {
	for range bodyTries {
		var out *s3.GetObjectOutput
		if out, err = s.get(ctx, key, byteRange); err != nil {
			return nil, "", err
		}
		data, err = io.ReadAll(out.Body)
		out.Body.Close()
		if err == nil {
			return data, aws.ToString(out.ETag), nil
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, "", failed("get", key, err)
}

func (s *S3) get(ctx context.Context, key string, byteRange *string) (*s3.GetObjectOutput, error) {
	k, err := s.key(key)
	if err != nil {
		return nil, err
	}
	out, err := s.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &s.bucket, Key: k, Range: byteRange}, func(o *s3.Options) {
		if byteRange != nil {
			// Some servers answer a range with the checksum of the
			// whole object. Formats that are read by range have
			// checksums of their own.
			o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
		}
	})
	if err != nil {
		return nil, failed("get", key, s.explain(err))
	}
	return out, nil
}

// Open streams the object.
func (s *S3) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	out, err := s.get(ctx, key, nil)
	if err != nil {
		return nil, err
	}
	return out.Body, nil
}

// Put writes the object in one request.
func (s *S3) Put(ctx context.Context, key string, data []byte) (string, error) {
	return s.put(ctx, key, bytes.NewReader(data))
}

func (s *S3) put(ctx context.Context, key string, body io.ReadSeeker) (string, error) {
	k, err := s.key(key)
	if err != nil {
		return "", err
	}
	out, err := s.client.PutObject(ctx, &s3.PutObjectInput{Bucket: &s.bucket, Key: k, Body: body})
	if err != nil {
		return "", failed("put", key, s.explain(err))
	}
	return aws.ToString(out.ETag), nil
}

// PutIf writes the object under a condition, in a single attempt: a second one
// would meet the success of the first and report a conflict with itself.
func (s *S3) PutIf(ctx context.Context, key string, data []byte, etag string) (string, error) {
	k, err := s.key(key)
	if err != nil {
		return "", err
	}
	in := &s3.PutObjectInput{Bucket: &s.bucket, Key: k, Body: bytes.NewReader(data), IfMatch: &etag}
	refused := ErrChanged
	if etag == "" {
		in.IfMatch, in.IfNoneMatch, refused = nil, aws.String("*"), ErrExists
	}
	out, err := s.client.PutObject(ctx, in, func(o *s3.Options) { o.Retryer = aws.NopRetryer{} })
	if err != nil {
		return "", failed("put", key, s.explainRefusal(err, refused))
	}
	return aws.ToString(out.ETag), nil
}

// explainRefusal finds the answers that say clearly that nothing was written.
// An If-Match for a missing object is answered with "no such key".
func (s *S3) explainRefusal(err, refused error) error {
	err = s.explain(err)
	if status(err) == http.StatusPreconditionFailed || errors.Is(err, ErrNotFound) {
		return fmt.Errorf("%w: %w", refused, err)
	}
	return err
}

// Publish copies stage to final inside of S3. The stage object stays.
func (s *S3) Publish(ctx context.Context, stage, final string) error {
	if err := checkKey(stage); err != nil {
		return err
	}
	to, err := s.key(final)
	if err != nil {
		return err
	}
	source := copySource(s.bucket + "/" + s.prefix + stage)
	_, err = s.client.CopyObject(ctx, &s3.CopyObjectInput{Bucket: &s.bucket, Key: to, CopySource: &source})
	if err == nil {
		return nil
	}
	if err = s.explain(err); errors.Is(err, ErrNotFound) {
		_, headErr := s.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &s.bucket, Key: to})
		if headErr == nil {
			return nil // published before, and the stage collected
		}
		err = errors.Join(err, s.explain(headErr))
	}
	return failed("publish "+stage+" as", final, err)
}

// copySource escapes what a header that holds a path must escape; the slashes
// stay.
func copySource(path string) string {
	return strings.NewReplacer("%2F", "/", "+", "%20").Replace(url.QueryEscape(path))
}

// List asks for pages of 1,000 objects.
func (s *S3) List(ctx context.Context, prefix string) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		pages := s3.NewListObjectsV2Paginator(s.client, &s3.ListObjectsV2Input{Bucket: &s.bucket, Prefix: aws.String(s.prefix + prefix)})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				yield(Object{}, failed("list", prefix, s.explain(err)))
				return
			}
			for _, o := range page.Contents {
				found := Object{Key: strings.TrimPrefix(aws.ToString(o.Key), s.prefix), Size: aws.ToInt64(o.Size), Modified: aws.ToTime(o.LastModified).UTC()}
				if !yield(found, nil) {
					return
				}
			}
		}
	}
}

// Delete removes the object.
func (s *S3) Delete(ctx context.Context, key string) error {
	k, err := s.key(key)
	if err != nil {
		return err
	}
	if _, err := s.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &s.bucket, Key: k}); err != nil {
		if err = s.explain(err); !errors.Is(err, ErrNotFound) {
			return failed("delete", key, err)
		}
	}
	return nil
}

// status is the HTTP status of an answer, 0 when there was none.
func status(err error) int {
	var response *awshttp.ResponseError
	if errors.As(err, &response) {
		return response.HTTPStatusCode()
	}
	return 0
}

// explain maps answers to this package's errors and says what an operator has
// to do.
func (s *S3) explain(err error) error {
	var api smithy.APIError
	code := ""
	if errors.As(err, &api) {
		code = api.ErrorCode()
	}
	switch {
	case code == "NoSuchBucket":
		return fmt.Errorf("bucket %s does not exist or is in another region: %w", s.bucket, err)
	case code == "InvalidRange":
		return fmt.Errorf("%w: %w", io.ErrUnexpectedEOF, err)
	case status(err) == http.StatusNotFound:
		return fmt.Errorf("%w: %w", ErrNotFound, err)
	case status(err) == http.StatusForbidden:
		return fmt.Errorf("access to bucket %s is denied: the role needs s3:GetObject, s3:PutObject, s3:DeleteObject and s3:ListBucket: %w", s.bucket, err)
	}
	return err
}
