package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"
)

const emptySHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// bucket signs requests for the objects of one bucket (AWS Signature Version 4, path style).
type bucket struct {
	Address   string `json:"address"`
	Name      string `json:"name"`
	AccessKey string `json:"access_key"`
	SecretKey string `json:"secret_key"`
	Region    string `json:"region"`
}

// head is the signed head of a request. Header names are in lower case.
func (b bucket) head(method, key, bodySHA256 string, headers map[string]string, now time.Time) string {
	moment := now.UTC().Format("20060102T150405Z")
	day := moment[:8]
	path := "/" + b.Name + "/" + key
	signed := map[string]string{"host": b.Address, "x-amz-content-sha256": bodySHA256, "x-amz-date": moment}
	for name, value := range headers {
		signed[name] = value
	}
	names := make([]string, 0, len(signed))
	for name := range signed {
		names = append(names, name)
	}
	slices.Sort(names)
	var lines, sent strings.Builder
	for _, name := range names {
		fmt.Fprintf(&lines, "%s:%s\n", name, signed[name])
		fmt.Fprintf(&sent, "%s: %s\r\n", name, signed[name])
	}
	list := strings.Join(names, ";")
	canonical := strings.Join([]string{method, path, "", lines.String(), list, bodySHA256}, "\n")
	scope := day + "/" + b.Region + "/s3/aws4_request"
	digest := sha256.Sum256([]byte(canonical))
	text := strings.Join([]string{"AWS4-HMAC-SHA256", moment, scope, hex.EncodeToString(digest[:])}, "\n")
	secret := []byte("AWS4" + b.SecretKey)
	for _, part := range []string{day, b.Region, "s3", "aws4_request"} {
		secret = mac(secret, part)
	}
	return fmt.Sprintf("%s %s HTTP/1.1\r\n%sauthorization: AWS4-HMAC-SHA256 Credential=%s/%s,SignedHeaders=%s,Signature=%s\r\n",
		method, path, sent.String(), b.AccessKey, scope, list, hex.EncodeToString(mac(secret, text)))
}

func mac(key []byte, text string) []byte {
	made := hmac.New(sha256.New, key)
	made.Write([]byte(text))
	return made.Sum(nil)
}
