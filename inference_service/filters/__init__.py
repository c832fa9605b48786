"""The filters that come with the service, one file or folder each."""
