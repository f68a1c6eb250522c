"""Which events another system gets, how it knows that they are ours, when it is asked again.

Pure. Called by flows/webhooks, flows/webhook_rounds and adapters/webhook/parcel.
"""
