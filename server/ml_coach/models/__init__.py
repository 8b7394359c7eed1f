"""One module per provider behind `core.ports.Model`. No SDK's type leaves this folder.

It may not import lsp, execution or run_log. SDKs are imported when first used.
"""
